"""From the words of a regulation to a check that runs, with the exact words behind every field.

Start at `extract` (text to rules) and `check` (rules to findings). The rooms:

* `model`: a rule and a document of rules, the interchange format, strictly parsed.
* `reading`, `readers`, `segmenting`: characters to provisions, list items and sentences, whatever the file;
  offsets always lead back.
* `lexicon`, `currencies`, `tokens`, `money`, `durations`, `atoms`: the words of law, found with spaCy.
* `clauses`, `grammar`, `counting`, `periods`, `transactions`: who must do what; which comparison governs
  which amount; what is counted together; by when; for which transactions.
* `judgement`, `citations`, `assembly`, `extract`, `pipe`: a rule, or rejected with a reason; and the whole.
* `places`, `linking`: rules of different provisions joined through their references; `graph`, `graph_export`:
  the whole as a knowledge graph.
* `ruleset`, `editing`: rules as one hashed document, and what officers change in it; `backtest`, `diff`: what
  would change.
* `jurisdictions`, `calendars`, `deadlines`, `rates`: whom a rule binds, by when, at which rate; `csvfile`:
  the tables that the consortium writes by hand.
* `checks`, `check`: a rule compiled to checks for encoded and exact rows; findings.
* `trace`, `reports`: a finding followed to the clause; drafts of what is filed.
* `rulebook`: a small model rulebook in the project's own words.
"""

"""From the words of a regulation to a check that runs, with the exact words behind every field.

Start at `extract` (text to rules) and `check` (rules to findings). The rooms:

* `model`: a rule and a document of rules, the interchange format, strictly parsed.
* `reading`, `segmenting`: characters to provisions, list items and sentences; offsets always lead back.
* `lexicon`, `currencies`, `tokens`, `money`, `durations`, `atoms`: the words of law, found with spaCy.
* `clauses`, `grammar`, `windows`, `periods`, `transactions`: who must do what; which comparison governs which
  amount; what is counted together; by when; for which transactions.
* `judgement`, `citations`, `assembly`, `extract`, `pipe`: a rule, or rejected with a reason; and the whole.
* `linking`: rules of different provisions joined through their references.
* `ruleset`: the rules in force as one hashed document, and the amounts at which bands must be cut for them.
* `checks`, `check`: a rule compiled to one check for encoded and exact rows; findings.
* `diff`: two editions of a text, compared in rules.
* `rulebook`: a small model rulebook in the project's own words.
"""

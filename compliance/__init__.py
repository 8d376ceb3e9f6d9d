"""From the words of a regulation to a check that runs, with the exact words behind every field.

Start at `extract` (text to rules) and `check` (rules to findings). The rooms:

* `model`: a rule and a document of rules, the interchange format, strictly parsed.
* `reading`, `segmenting`: characters to provisions, list items and sentences; offsets always lead back.
* `lexicon`, `tokens`, `money`, `durations`, `atoms`: the words of law, found with spaCy.
* `grammar`, `judgement`, `periods`, `extract`: which comparison governs which amount, what it is (a rule, or
  rejected with a reason), and the whole.
* `ruleset`: the rules in force as one hashed document, and the amounts at which bands must be cut for them.
* `checks`, `check`: a rule compiled to one check for encoded and exact rows; findings.
* `diff`: two editions of a text, compared in rules.
* `rulebook`: a small model rulebook in the project's own words.
"""

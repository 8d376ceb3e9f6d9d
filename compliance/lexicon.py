"""The lexicon: fixed phrases of regulatory English, by what they mean. Matched on lower case, longest first."""

from __future__ import annotations

from typing import Final

__all__ = ["ACTIONS", "COMPARATORS", "CUES", "MODALS", "PHRASES", "WINDOWS"]


def _verbs(text: str) -> list[str]:
    return [phrase.strip() for phrase in text.split("|") if phrase.strip()]


#: Comparisons that stand before the amount, and (AFTER_) after it. ONLY_ are limits: "only up to".
COMPARATORS: Final[dict[str, list[str]]] = {
    "GT": _verbs(
        "more than|in excess of|exceeding|exceeds|exceed|exceeded|which exceeds|above|over|greater than|higher than|"
        "larger than|beyond|surpassing|surpasses|is superior to|of over|superior to"
    ),
    "GE": _verbs(
        "at least|not less than|no less than|not lower than|not below|not be less than|minimum of|a minimum of|"
        "equal to or above|equal to or more than|equal to or over|equal to or exceeding|equal to or greater than|"
        "equal to or higher than|equal to or in excess of|equal or above|equal or superior to|equal to or superior to|"
        "equals or exceeds|equal or exceed|equals or is greater than|equals or is more than|equal or exceeding|"
        "equalling or exceeding|equaling or exceeding|meets or exceeds|meeting or exceeding|"
        "greater than or equal to|more than or equal to|higher than or equal to|above or equal to|"
        "exceeding or equal to|exceeds or equals|exceeds or is equal to|exceeding or equalling|is equal to or exceeds|"
        "is equal to or greater than|is equal to or more than|is equal to or above|reaches|reaching|reach|"
        "reaches or exceeds|reaching or exceeding|reach or exceed|equivalent to or more than|"
        "equivalent to or exceeding|equals or more than|upwards of|does not fall below|from and above|"
        "is or exceeds|are or exceed|equal to or larger than|greater or equal to|equal or greater than|"
        "equal or more than|equal or higher than|equal and above|exceeds or is equivalent to"
    ),
    "LT": _verbs(
        "less than|below|under|lower than|smaller than|short of|not reaching|does not reach|do not reach|inferior to"
    ),
    "LE": _verbs(
        "not more than|no more than|not exceeding|does not exceed|do not exceed|not exceed|not to exceed|"
        "shall not exceed|must not exceed|may not exceed|never exceed|at most|up to|up to and including|a maximum of|"
        "maximum of|not greater than|no greater than|not above|not over|not in excess of|not higher than|no higher than|"
        "less than or equal to|equal to or less than|equal to or below|equal to or lower than|lower than or equal to|"
        "is equal to or less than|equal to or under|does not go beyond|that does not exceed|which does not exceed|"
        "equal or less than|without exceeding|or not exceeding"
    ),
    "ONLY_LE": _verbs(
        "only up to|solely up to|exclusively up to|limited to|is limited to|are limited to|capped at|not beyond"
    ),
    "AFTER_GE": _verbs(
        "or more|or above|or over|or greater|or higher|or larger|and above|and over|and more|or upwards|upwards|"
        "or in excess|or in excess thereof|or exceeding|or exceeds|or exceeding that amount|and upwards|and higher|"
        "or beyond|or superior|or greater amount|or more than that amount|or a higher amount|or any greater amount"
    ),
    "AFTER_LE": _verbs(
        "or less|or below|or under|or lower|or smaller|and below|and under|or fewer|and less|or a lower amount"
    ),
    "AFTER_GT": _verbs("is exceeded|are exceeded|has been exceeded"),
    "BETWEEN": _verbs("between"),
    "FROM": _verbs("from|ranging from"),
    "INCLUSIVE": _verbs("inclusive|both inclusive|inclusively|both included"),
}

MODALS: Final[dict[str, list[str]]] = {
    "MUST": _verbs(
        "shall|must|is required to|are required to|is obliged to|are obliged to|is obligated to|are obligated to|has to|"
        "have to|is to be|are to be|is to|are to|will|shall be required to|is subject to the requirements|"
        "are subject to the requirements|requires reporting|require reporting|is under an obligation to|has a duty to|"
        "shall be treated|shall ensure|must ensure|is bound to|are bound to|is under a duty to|it is mandatory|"
        "shall be obliged to|shall be obligated to|is required|are required|shall be subject to"
    ),
    "MUST_NOT": _verbs(
        "shall not|must not|may not|cannot|can not|is prohibited from|are prohibited from|is prohibited|are prohibited|"
        "is forbidden|are forbidden|shall neither|must neither|shall be prohibited|shall be prohibited from|"
        "it is prohibited|is not permitted to|are not permitted to|is not allowed to|are not allowed to|shall never|"
        "is not to|are not to"
    ),
    "MAY": _verbs(
        "may|can|is permitted to|are permitted to|is entitled to|are entitled to|is authorised to|is authorized to|is allowed to"
    ),
    "SHOULD": _verbs("should|ought to|is expected to|are expected to|should be required to"),
    "NOT_REQUIRED": _verbs(
        "is not required to|are not required to|is not required|are not required|need not|needs not|"
        "does not need to|do not need to|shall not be required to|will not be required to|shall not be required|"
        "does not have to|do not have to|shall not apply|does not apply|do not apply|will not apply|must not apply|"
        "shall not be subject to|is not subject to|are not subject to|is not obliged to|are not obliged to|"
        "is exempt|are exempt|is exempted|are exempted|shall be exempt|shall be exempted|is exempt from|are exempt from|"
        "shall not be obliged to|shall be excluded|is excluded|are excluded|is not applicable|are not applicable|"
        "shall not be applicable|may refrain from|may choose not to|is not necessary|it is not necessary|"
        "not be required to|no longer required to|is relieved|are relieved|shall be exempt from|"
        "may be exempted|need not be|ceases to apply|cease to apply|shall cease to apply|may dispense with|"
        "does not extend to|is deemed exempt|shall not extend to|may decide not to apply|may waive"
    ),
    "DEEM": _verbs(
        "is deemed|are deemed|shall be deemed|must be deemed|will be deemed|is taken to be|are taken to be|"
        "are taken|is to be deemed|are to be deemed|is deemed to|are deemed to"
    ),
}

#: What a duty is about; the label's tail is the rule's kind.
ACTIONS: Final[dict[str, list[str]]] = {
    "A_REPORT": _verbs(
        "report|reports|reported|reporting|file|filed|files|filing|submit|submits|submitted|notify|notifies|notified|declare|declared|"
        "declaration|disclose|disclosed|furnish|furnished|lodge|lodged|inform|informs|informed|transmit to the|sent to the|send to the|"
        "suspicious transaction report|declares|give notice|communicate|communicated|notification|disclosure"
    ),
    "A_RECORD": _verbs(
        "keep a record|keep records|make and keep|keep the following records|keep|kept|maintain|maintained|retain|retained|"
        "obtain and retain|make a record|record|records|record of|a record|register|registers|store|stored|preserve|preserved|"
        "recorded|maintains|keeps|retains|keep and maintain|make and retain|secure and maintain|maintain records|documents"
    ),
    "A_CDD": _verbs(
        "customer due diligence|due diligence|due diligence measures|cdd|cdd measures|verify|verified|verifies|verification|"
        "identify|identified|identifies|identification|know your customer|kyc|establish the identity|ascertain the identity|"
        "identity of|applicable customer identification procedure|customer identification|establish and verify|"
        "ascertain|check the identity|confirm the identity|identifying|verifying|identity verification|"
        "applicable customer identification procedures|identification and verification|source of funds|beneficial owner"
    ),
    "A_TRAVEL": _verbs(
        "include in any transmittal order|include in a transmittal order|include in the transmittal order|"
        "include in the payment order|include in a payment order|include in any payment order|"
        "accompanied by|accompanies the transfer|accompany the transfer|accompany|include with the transfer|include in the transfer|"
        "include in the message|include the information with|information on the payer|information on the originator|"
        "originator information|include with the wire transfer|travel rule|payer information|tracing information|"
        "required transfer information|include in the payment message|contain originator|include required and accurate originator|"
        "accompanying|information about the payer|information on the payee|include in the payment instruction|"
        "include in the payment|contain the following|include the following information in|included in the transfer|"
        "complete payer information|information accompanying"
    ),
    "A_AGGREGATE": _verbs(
        "as a single transaction|a single transaction of|to be a single transaction|as one transaction|to be one transaction|"
        "be aggregated|is aggregated|are aggregated|shall aggregate|must aggregate|as one single transaction|as a single currency transaction|"
        "considered as a single|treated as one|treated as a single|regarded as one|regarded as a single|as a single operation|"
        "counted together|added together|combined and treated|as a single deposit|as a single payment|as one operation|"
        "single cash transaction|treated as if they were a single|constitute one transaction|constitute a single"
    ),
}

WINDOWS: Final[dict[str, list[str]]] = {
    "W_single_transaction": _verbs(
        "in a single transaction|in one transaction|in a single operation|in the course of a single transaction|single cash transaction|in one operation|one-off transaction|any single transaction|per transaction"
    ),
    "W_linked_transactions": _verbs(
        "linked transactions|linked operations|appear to be linked|appears to be linked|related transactions|"
        "several operations|several transactions|series of transactions|series of linked|integrally connected|"
        "connected transactions|series of operations|interrelated transactions|related operations|are linked|"
        "transactions that are linked|several linked|linked to each other|linked cash transactions|connected operations|"
        "appear to be connected|seem to be linked|interconnected|appears to be related|appear to be related|series of payments|"
        "multiple operations|multiple transactions that appear|several payments|associated transactions|multiple linked"
    ),
    "W_one_time": _verbs(
        "at one time|on any one occasion|on one occasion|at any one time|on a single occasion|at the same time|on any single occasion"
    ),
    "W_contemporaneous": _verbs("contemporaneous|contemporaneously"),
    "W_request": _verbs("at the request of"),
    "W_gaming_day": _verbs(
        "any gaming day|a gaming day|one gaming day|any one gaming day|the same gaming day|each gaming day|gaming day"
    ),
    "W_business_day": _verbs(
        "any one business day|one business day|a business day|any business day|the same business day|a single business day|any one banking day|one banking day|the same banking day|within one banking day|each business day|one working day|the same working day|a banking day"
    ),
    "W_calendar_day": _verbs(
        "any one day|one day|the same day|a single day|any day|any calendar day|one calendar day|the same calendar day|a single calendar day|per day|a calendar day|each day|one and the same day|a day|daily"
    ),
    "W_calendar_month": _verbs(
        "a calendar month|any calendar month|one calendar month|one month|a month|any month|per month|the same calendar month|within a month|each month|within one month|the same month|monthly|a single month"
    ),
    "W_calendar_year": _verbs(
        "previous calendar year|a calendar year|any calendar year|one calendar year|calendar year|per year|per annum|a year|any year|each year|annually|tax year|financial year|one year|twelve months|12 months"
    ),
}

#: Words that say what an amount is, or who is speaking; judged by place.
CUES: Final[dict[str, list[str]]] = {
    "C_PENALTY": _verbs(
        "penalty|penalties|fine|fined|fines|imprisonment|pecuniary sanction|pecuniary sanctions|administrative sanction|"
        "administrative sanctions|summary conviction|on conviction|punishable|punished|offence|offences|criminal offence|"
        "guilty|liable to|damages|forfeiture|forfeited|penalised|penalized|sanctioned|sanction of|prison|penalty units|"
        "civil money penalty|convicted|level 5 on the standard scale|administrative fine|surcharge|misdemeanour|felony"
    ),
    "C_DEFINITION": _verbs(
        "means|mean|has the meaning|has the same meaning|have the same meaning|shall have the same meaning|is defined as|"
        "are defined as|definitions apply|definition of|shall mean|refers to|the following definitions|has the meaning given|"
        "is defined in|the term includes|for the purposes of this definition|is understood to be|"
        "shall be understood as|shall be construed as|defined as"
    ),
    "C_SCOPE": _verbs(
        "are to be considered|obliged entities for the purposes|shall be considered|are considered to be|this regulation applies to|"
        "this directive applies to|this part applies to|this section applies to|this chapter applies to|this act applies to|"
        "these regulations apply to|this directive shall apply to|this regulation shall apply to|this law applies to|"
        "this law shall apply to|are designated|is designated as|following are obliged entities|are obliged entities|"
        "are reporting entities|are reporting institutions|this paragraph applies to persons|are relevant persons|"
        "falls within the scope|fall within the scope|are accountable institutions|the following persons are|is considered to be"
    ),
    "C_EXAMPLE": _verbs(
        "for example|for instance|by way of example|by way of illustration|example|examples|illustration|e.g.|hypothetically"
    ),
    "C_WEALTH": _verbs(
        "total assets|assets with a value|handling assets|net worth|wealth|turnover|annual income|gross income|revenue|revenues|"
        "gross revenues|gross proceeds|balance sheet|share capital|paid-up capital|own funds|assets under management|"
        "net assets|profits|capital of|annual sales|gross annual|income of|initial capital|monthly income|annual gross|annual salary|"
        "total wealth|net income|assets of the customer|total asset value|customer's assets|investable assets|sales of|annual revenues|annual receipts"
    ),
    "C_REVIEW": _verbs(
        "updates of|between updates|updated|update|updating|review|reviewed|reviews|refresh|periodic review|kept up to date|"
        "re-identify|reassess|reassessed|audit|audited|training|re-verification|risk assessment|reviewing|evaluation|"
        "independent testing|report on the application"
    ),
    "C_FEE": _verbs(
        "fee|fees|charge of|levy|registration fee|premium|premiums|bond of|surety|compensation|deductible|indemnity|price of the form"
    ),
    "C_UNLESS": _verbs(
        "unless|except where|except when|except if|except in the case|provided that|other than where|save where|other than a|other than transactions|excluding|with the exception of"
    ),
    "C_EXEMPTING": _verbs(
        "exempt|exempts|exemption|exemptions|derogation|exempted|waiver|simplified due diligence|simplified customer due diligence|low risk|disapply|exclusion"
    ),
    "C_AUTHORITY": _verbs(
        "the secretary|the commission|member states|member state|a member state|the minister|the commissioner|the director|amla|"
        "the authority|competent authorities|competent authority|supervisors|supervisor|supervisory authorities|"
        "supervisory authority|the treasury|the council|the governor|governor in council|the registrar|the regulator|the registrar general|"
        "the fiu|fius|fiu|the centre|fincen|the ceo|the austrac ceo|austrac|the central bank|the bank of england|the board|the eba|eba|esas|"
        "the court|a court|the tribunal|the president|parliament|the attorney-general|the attorney general|the government|the state|"
        "the chief executive|the financial intelligence unit|the monetary authority|the superintendent|the department|"
        "the secretary of state|the federal council|finma|the director-general|the fca|hmrc|the agency|his majesty|federal reserve board|"
        "the prime minister|the ministry|ministry of finance|the national bank|the financial conduct authority|power is delegated|"
        "the european parliament|the relevant authority|a designated authority|the federal reserve"
    ),
    "C_AGGREGATED": _verbs(
        "total|totals|totalling|totaling|aggregate|aggregating|aggregates|in aggregate|aggregated|together amount|combined|cumulative|cumulatively|in total|sum of|collectively|individually or in aggregate"
    ),
    "C_EQUIVALENT": _verbs(
        "equivalent|equivalent amount|equivalent value|equal value in|countervalue|counter-value|converted into|foreign currency equivalent|equivalence"
    ),
    "C_BEFORE_IT": _verbs(
        "before the expiry of|before the end of|by the close of|by the end of|no later than|not later than|at the latest|on or before|within|in no case later than|not exceeding|within a period of|not more than|no more than|at the latest within|prior to the end of|by no later than|not later than within"
    ),
    "C_AFTER_IT": _verbs(
        "after|following|from|of the date|of the day|beginning on|starting on|starting from|commencing on|beginning after|of becoming|from the date|from the day|of receipt|counted from|of the end of"
    ),
    "C_THRESHOLD": _verbs(
        "the threshold|threshold amount|reporting threshold|prescribed amount|designated threshold|prescribed threshold|the limit|the applicable threshold|threshold value|monetary threshold|the said amount|that threshold|the prescribed limit|the above limit|that limit|this limit|this threshold|applicable limit|the limits"
    ),
    "C_KNOWLEDGE": _verbs(
        "has knowledge|knows|know|has reason to suspect|suspects|reasonable grounds|reason to believe|is aware|aware that|it appears|appears that|reasonable cause"
    ),
    "C_NO_SUBJECT": _verbs(
        "no bank|no person|no financial institution|no entity|no report|nothing in|no one|no credit institution|no institution|no obliged entity|no record|nobody|neither"
    ),
    "C_RELATIVE": _verbs("that|which|who|whom|where|if|when|whether|whenever|whose|as"),
    "C_AT_TIME": _verbs(
        "at the time of|simultaneously with|at the same time as|at the moment of|upon the conclusion of"
    ),
    "C_EXTERNAL": _verbs(
        "within the deadlines imposed by|within the deadline set by|within the period prescribed|within the prescribed period|within the prescribed time|within the time limit set|within the time prescribed|within such period as|within such time as|within the period specified|within the time specified|within the deadlines set|within the period determined by"
    ),
}

PHRASES: Final[dict[str, list[str]]] = {**COMPARATORS, **MODALS, **ACTIONS, **WINDOWS, **CUES}

"""Phrases that mean something other than their words: trade terms, litotes, mock praise. Pure.

The network reads words one by one; these few are rephrased for it, in training and serving alike.
"""

from __future__ import annotations

import re
from typing import Final

#: At most three words between "kill" and what is stopped.
_THE = r"(?:(?:an?|the|my|our|your|this|that|these|those|all|any|some) )?(?:[a-z]{2,15} ){0,2}"
_COMPUTING = (
    r"(?:process(?:es)?|tasks?|jobs?|sessions?|threads?|pids?|services?|daemons?|connections?"
    r"|app(?:lication)?s?|programs?|quer(?:y|ies)|switch|command|signal|-9)"
)

#: Pattern in lower case, and what is read instead.
_PLAIN: Final = tuple(
    (re.compile(rf"(?<![\w'<]){pattern}(?:(?<= )|(?![\w']))"), plain)
    for pattern, plain in (
        # Terms of trades.
        (rf"kill(?:s|ed|ing)? {_THE}(?={_COMPUTING}(?!\w))", "restart the "),
        (rf"(?:abort|terminat|execut)(?:e|es|ed|ing) {_THE}(?={_COMPUTING}(?!\w))", "restart the "),
        (rf"({_COMPUTING}) (?:keeps? )?(?:is|was|were|are|be|being|get|got|gets|getting|has been|have been)"
         r" (?:kill|abort|terminat|execut)ed", r"\1 restarted"),
        (r"(?:oom|out of memory)[ -]killer", "memory limit"),
        (r"kill\s*-\s*(?:<number>|9|kill|term|hup)", "the command"),
        (r"fire (?=(?:alarms?|doors?|drills?|exits?|extinguishers?|safety|protection|insurance|hydrants?"
         r"|escapes?"
         r"|blankets?|sprinklers?|detectors?|wardens?|marshals?|stick|tv|tablet|places?|wood)(?!\w))", ""),
        (r"panic (?=(?:buttons?|bars?|alarms?|rooms?|hardware)(?!\w))", ""),
        (r"(?:burglar|intruder) (?=alarms?(?!\w))", ""),
        (r"(?:dead|death) (?=(?:lines?|bolts?|stock|locks?|certificates?|benefits?)(?!\w))", ""),
        (r"crash (?=(?:courses?|tests?|reports?|dumps?|logs?|mats?|helmets?)(?!\w))", ""),
        (r"(?:emergency|disaster|accident) (?=(?:exits?|lights?|lighting|recovery|insurance|contacts?"
         r"|cover|numbers?)(?!\w))", ""),
        (r"hate (?=(?:speech|crimes?)(?!\w))", ""),
        # Litotes.
        (r"(?:can not|cannot|can't|cant|could not|couldn't|couldnt|no reason to"
         r"|nothing to) (?:really )?complain"
         r"(?=\s*(?:[.,!;)]|\Z|so far|at all|really))", "am satisfied"),
        (r"not (?:too |so |half |that )?(?:bad|shabby)(?: at all)?", "pretty good"),
        (r"(?:never|not once) (?:(?:yet|once|ever|been|felt|feel|have|had|ever) ){0,2}"
         r"(?:disappointed|let down|dissatisfied|unhappy)", "always satisfied"),
        (r"no (?:problems?|issues?|complaints?|worries|trouble)(?: (?:at all|whatsoever|here|so far"
         r"|to report|from me))",
         "all is fine"),
        (r"could not be (?:happier|better)|couldn't be (?:happier|better)", "is very good"),
        (r"(?:could not|couldn't|couldnt) agree more", "agree"),
        (r"nothing but (?=(?:praise|good|kind|great|positive))", "only "),
    )
)  # fmt: skip


#: Praise of bad news is mock praise ("oh great, another outage"), and so is what else the text praises.
_MOCK = re.compile(
    r"(?<![\w'])(?:oh|wow|well|yay|just|ah),? (?:great|wonderful|fantastic|lovely|brilliant|super|perfect"
    r"|joy|nice|awesome)"
    r"[,.! ]{1,4}(?=(?:another|yet another|(?:down|broken|late|cancell?ed|delayed|offline) again"
    r"|one more)(?!\w))"
)
_PRAISE = re.compile(
    r"(?<![\w'])(?:(?:fantastic|great|excellent|wonderful|brilliant|superb|amazing|awesome|good|nice|top)"
    r" (?:service|work|job|support|stuff)|(?:many )?thanks(?: a lot| so much| a bunch)?"
    r"|thank you(?: so much| very much)?"
    r"|well done|congratulations|bravo)(?![\w'])"
)


def plainly(text: str) -> str:
    """A text in lower case with these phrases in plain words."""
    for pattern, plain in _PLAIN:
        text = pattern.sub(plain, text)
    if _MOCK.search(text):
        text = _PRAISE.sub("", _MOCK.sub("<sarcasm> how annoying, ", text))
    return text

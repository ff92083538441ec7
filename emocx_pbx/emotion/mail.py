"""What its writer says in an e-mail or ticket: no quoted messages, signature, disclaimer or form. Pure.

Own code, in place of `mail-parser-reply` and `quotequail`: the first takes ten seconds for a line of 12,000
characters that begins with "On", and cuts lists of "- " and all that follows "Thanks,"; the second knows
neither signatures nor disclaimers. Here each line is looked at a fixed number of times, and its first
_LONGEST characters at most. A text that would have nothing left stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: The first characters of a line, this many, can mark it as a header, a closing or a signature.
_LONGEST: Final = 200
#: A signature has at most this many lines: a closing in the midst of a long letter is none.
_SIGNATURE_LINES: Final = 12

#: ">:(" is a face.
_QUOTED = re.compile(r"\s{0,8}>(?!:?-?[(\[<@|/])(?!_)")
_WROTE = re.compile(
    r"(?:On\b.{4,180}\bwrote|Am\b.{4,180}\bschrieb\b.{0,80}|Le\b.{4,180}\ba écrit|El\b.{4,180}\bescribió"
    r"|Em\b.{4,180}\bescreveu|Il\b.{4,180}\bha scritto|Op\b.{4,180}\b(?:schreef\b.{0,80}|geschreven)"
    r"|Den\b.{4,180}\bskrev\b.{0,80}|Dnia\b.{4,180}\bnapisał.{0,80})\s?:\s*\Z",
    re.IGNORECASE,
)  # fmt: skip
#: In whatever language: a year or an hour, and a mail address, in a line that ends with a colon.
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,63}[>)\]]")
_WHEN = re.compile(r"(?<!\d)(?:20\d\d|[0-2]?\d[:.h][0-5]\d)(?!\d)")
#: The same within a line, for texts whose line breaks were lost; a date must be in it.
_WROTE_INSIDE = re.compile(
    r"\b(?:On|Am|El|Em|Le|Il|Op) [^\n<>]{0,40}\d[^\n]{4,120}"
    r" (?:wrote|schrieb|escribió|escreveu|a écrit|ha scritto|schreef)\b[^\n:]{0,60}:"
)
_SEPARATOR = re.compile(
    r"\s*(?:-{2,}\s*(?:original message|forwarded message|urspr(?:ü|ue)ngliche nachricht"
    r"|weitergeleitete nachricht|mensaje (?:original|reenviado)|mensagem (?:original|encaminhada)"
    r"|message (?:d'origine|transféré)|messaggio (?:originale|inoltrato)|oorspronkelijk bericht)\s*-{2,}"
    r"|begin forwarded message:?|anfang der weitergeleiteten (?:nachricht|e-mail):?"
    r"|inicio del mensaje reenviado:?|início da mensagem encaminhada:?|_{20,}"
    r"|.{0,10}(?:please (?:type|write|enter) your (?:reply|response) above this line"
    r"|reply above this line|bitte antworten sie oberhalb dieser zeile).{0,20})\s*\Z",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"\s*\*{0,2}(?:From|Sent|To|Cc|Bcc|Date|Reply-To|Von|Gesendet|An|Datum|De|Enviado(?: el)?|Enviada em|Para"
    r"|Fecha|Data|Da|Inviato|À|Envoyé|Van|Verzonden|Aan|Od|Wysłano|Do|Från|Skickat|Till|Fra|Sendt|Til"
    r"|Lähettäjä|Lähetetty|Vastaanottaja|Odesláno|Komu|Kimden|Gönderilme|Gönderildi|Kime|Tarih|Feladó|Küldve"
    r"|Címzett|De la|Trimis|Către|От|Отправлено|Кому|Дата|Від|Надіслано"
    r"|发件人|发送时间|日期|收件人|抄送|寄件者|寄件日期|收件者|差出人|送信日時|宛先|보낸 사람|보낸 날짜"
    r"|받는 사람)"
    r"\*{0,2}\s?:\*{0,2}\s",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\s*\*{0,2}(?:Subject|Re|Fwd?|Betreff|Asunto|Assunto|Oggetto|Objet|Onderwerp|Temat|Ämne|Emne|Aihe"
    r"|Předmět"
    r"|Konu|Tárgy|Subiect|Тема|主题|主旨|件名|제목)\*{0,2}\s?:\*{0,2}\s*",
    re.IGNORECASE,
)
#: Lines of web forms and letters that name a person or a place.
_FIELD = re.compile(
    r"\s*(?:attn\.?|attention|c/o|f\.?a\.?o\.?|for the attention of|z\. ?hd\.?|(?:full |first |last "
    r"|your |company )?name|e-?mail(?: address)?"
    r"|(?:tele)?phone(?: number)?"
    r"|mobile|fax|(?:account|customer|order|invoice|ticket|case|reference|policy|contract)"
    r"(?: ?(?:no|nr|number|id|reference|ref))?\.?|company|department|address|post ?code|zip(?: code)?|country"
    r"|kundennummer|bestellnummer|telefon|firma|ticket id|priority|status)\s?[:#]\s*(.{0,80})\Z",
    re.IGNORECASE,
)
#: The same without a colon.
_TO_WHOM = re.compile(r"\s*(?:attn\b\.?|fao\b|for the attention of\b|z\. ?hd\.)\s.{1,60}\Z", re.IGNORECASE)
_LABEL = re.compile(
    r"\s*(?:message|comments?|description|details|your message|nachricht|mensaje|mensagem)\s?:\s*",
    re.IGNORECASE,
)
#: By these alone a signature begins.
_DASHES = re.compile(r"\s*(?:--|—|––|_{2,19})\s*\Z")
_CLOSING = re.compile(
    r"\s*(?:(?:with )?(?:my |our )?(?:best|kind|kindest|warm|warmest|many)?\s?regards|best wishes"
    r"|all the best"
    r"|yours (?:sincerely|faithfully|truly)|sincerely(?: yours)?|respectfully(?: yours)?|cordially|cheers"
    r"|mit (?:freundlichen|besten|lieben) gr(?:ü|ue)(?:ß|ss)en|(?:viele|beste|liebe|freundliche) gr(?:ü"
    r"|ue)(?:ß|ss)e"
    r"|mfg|lg|(?:un )?(?:cordial )?saludos?(?: cordiales)?|atentamente|(?:com os melhores )?cumprimentos"
    r"|atenciosamente|abraços?|cordialement|(?:bien )?à vous|cordiali saluti|distinti saluti"
    r"|met vriendelijke groet(?:en)?|bien cordialement|salutations(?: distinguées)?"
    r"|(?:z poważaniem|pozdrawiam(?: serdecznie)?)|(?:med )?vänlig(?:a)? hälsning(?:ar)?|mvh"
    r"|(?:med )?venlig hilsen|(?:med )?vennlig hilsen|(?:ystävällisin )?terveisin|s pozdravem"
    r"|saygılarımla|saygilarimla"
    r"|üdvözlettel|cu stimă|с уважением|з повагою|此致|敬具|よろしくお願いします|よろしくお願いいたします"
    r"|감사합니다"
    r"|(?:un |un cordial )?saluto|thanks|many thanks|thank you|thx|danke|gracias|obrigad[oa]|merci)"
    r"\s*[,.!]?\s*\Z",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"\s*(?:(?:sent|gesendet|enviado|enviada|envoyé|inviato|verzonden|skickat|sendt)\s"
    r"(?:from|via|using|with|von|mit|desde|do|da|de|depuis|vanaf|från|fra)\b.{1,60}"
    r"|von (?:meinem?|unterwegs).{1,40}gesendet.{0,40}|get outlook for\b.{1,60}|outlook für\b.{1,40}"
    r"|download (?:the )?.{1,30}\bapp\b.{0,40}|get outlook\b.{1,80}|yahoo mail\s?:.{1,60}"
    r"|lähetetty .{1,40}(?:sta|stä)|(?:wysłane|odesláno) z .{1,40}|отправлено (?:с|из) .{1,40}"
    r"|надіслано з .{1,40}"
    r"|.{1,30}(?:dan|den) gönderildi|(?:从|發自|发自)\s?(?:我的)?\s?.{1,20}|(?:my )?iphone ?から送信"
    r"|나의 .{1,20}에서 보냄)\Z",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"\s*[*_]{0,3}\s*(?:confidential(?:ity)?(?: notice| note)?\s?[:.]|(?:legal )?disclaimer\b"
    r"|(?:privileged|important) notice\b"
    r"|this (?:e-?mail|message|communication|transmission)(?:,?\s(?:and|including|together with"
    r"|or)\b.{0,60})?"
    r"\s(?:is (?:intended|confidential|private|for)|are (?:intended|confidential)|may (?:contain|be)"
    r"|contains|was sent"
    r"|has been scanned)"
    r"|the (?:information|contents?) (?:contained |transmitted )?(?:in|of|by) this (?:e-?mail|message"
    r"|communication)"
    r"|if you (?:are not the intended|have received this)|(?:please )?consider the environment"
    r"|please think before"
    r"|diese (?:e-?mail|nachricht) (?:enthält|kann|ist|und)|este (?:correo|mensaje"
    r"|e-?mail)\b.{0,40}(?:confidencial|contiene)"
    r"|esta mensagem\b.{0,40}(?:confidencia|contém|pode)|ce (?:message|courriel)\b.{0,40}(?:confidentiel"
    r"|contient)"
    r"|(?:der|die) (?:inhalt|informationen) (?:dieser|in dieser) (?:e-?mail|nachricht)"
    r"|(?:notice|hinweis|warning)\s?:\s?(?:this|diese) (?:e-?mail|message|nachricht)"
    r"|questo (?:messaggio|documento)\b.{0,40}(?:riservat|confidenzial|contiene)|(?:le informazioni"
    r"|i contenuti) .{0,30}riservat"
    r"|ta wiadomość\b.{0,60}(?:poufn|zawiera)|detta meddelande\b.{0,60}(?:konfidentiell|innehåll)"
    r"|dit (?:bericht|e-?mailbericht)\b.{0,60}(?:vertrouwelijk|bevat|bestemd)|denne (?:e-?mail"
    r"|meddelelse)\b.{0,60}fortrolig"
    r"|данное (?:сообщение|письмо)\b.{0,60}конфиденциал"
    r"|caution: (?:this|external)|\[?external(?: e-?mail)?\]?\s?[:.]?\s*\Z)",
    re.IGNORECASE,
)  # fmt: skip


def newest(text: str) -> str:
    """The part of a message that its writer wrote now; the whole text if that would be nothing."""
    lines = text.split("\n")
    if len(lines) == 1:
        found = _WROTE_INSIDE.search(text)
        return text[: found.start()] if found and text[: found.start()].strip() else text
    lines = _without_older(lines)
    lines = _without_form(lines)
    lines = _without_signature(lines)
    kept = "\n".join(lines)
    return kept if any(c.isalnum() for c in kept) else text


def _without_older(lines: Sequence[str]) -> list[str]:
    """Without quoted lines, and without what stands under "... wrote:" or the header of an older message."""
    heads = [line[:_LONGEST] for line in lines]
    kept = _Kept()
    i = 0
    while i < len(lines):
        head = heads[i]
        if _QUOTED.match(head):
            i += 1
            continue
        if under := _attribution(lines, heads, i):
            if _quoted_next(heads, i + under):
                i += under  # the answer may stand below the quotation
                continue
            if kept.says:
                break
        elif _SEPARATOR.match(head):
            if kept.says:
                break
            i += 1
            continue
        elif _HEADER.match(head) and (length := _headers(heads, i)) >= 2:
            if kept.says:
                break
            # Forwarded, nothing said above it: what is forwarded counts.
            for line in lines[i : i + length]:
                if found := _SUBJECT.match(line[:_LONGEST]):
                    kept.add(line[found.end() :])
            i += length
            continue
        elif found := _WROTE_INSIDE.search(lines[i][: 2 * _LONGEST]):
            before = lines[i][: found.start()]
            if kept.says or before.strip():
                kept.add(before)
                break
        kept.add(lines[i])
        i += 1
    return kept.or_else(lines)


def _attribution(lines: Sequence[str], heads: Sequence[str], i: int) -> int:
    """In how many lines from i an older message is introduced ("On ..., X wrote:"); 0: it is not."""
    if len(lines[i]) <= _LONGEST and _introduces(heads[i].lstrip(" >*")):
        return 1
    if i + 1 < len(lines) and len(lines[i]) + len(lines[i + 1]) <= _LONGEST:
        first = heads[i].lstrip(" >*")
        if first and _introduces(f"{first.rstrip()} {heads[i + 1].strip()}"):
            return 2
    return 0


def _introduces(line: str) -> bool:
    """Whether a line of at most _LONGEST characters says who wrote what follows, and when."""
    if _WROTE.match(line):
        return True
    return line.rstrip().endswith((":", "\uff1a")) and bool(_MAIL.search(line) and _WHEN.search(line))


def _quoted_next(heads: Sequence[str], i: int) -> bool:
    following = next((head for head in heads[i : i + 3] if head.strip()), "")
    return bool(_QUOTED.match(following))


def _headers(heads: Sequence[str], i: int) -> int:
    """In how many lines from i a message's header stands."""
    count = 0
    for head in heads[i : i + 8]:
        if not _HEADER.match(head) and not _SUBJECT.match(head):
            break
        count += 1
    return count


def _without_form(lines: Sequence[str]) -> list[str]:
    """Without the fields of a form and ATTN lines; of a subject and a message their label goes."""
    kept = _Kept()
    for line in lines:
        head = line[:_LONGEST]
        if len(line) <= _LONGEST and (_FIELD.match(head) or _TO_WHOM.match(head)):
            continue
        found = _SUBJECT.match(head) or _LABEL.match(head)
        kept.add(line[found.end() :] if found else line)
    return kept.or_else(lines)


def _without_signature(lines: Sequence[str]) -> list[str]:
    """Without signature and disclaimer, where something stands before them."""
    kept = _Kept()
    for i, line in enumerate(lines):
        head = line[:_LONGEST]
        if _DEVICE.match(head) and len(line) <= _LONGEST:
            continue
        if kept.says:
            if _DISCLAIMER.match(head):
                break
            if _DASHES.match(line) and len(lines) - i <= 3 * _SIGNATURE_LINES:
                break
            rest = lines[i + 1 : i + 3 * _SIGNATURE_LINES]
            if len(line) <= _LONGEST and _CLOSING.match(head) and _names([x for x in rest if x.strip()]):
                kept.add(line)
                break
        kept.add(line)
    return kept.or_else(lines)


def _names(lines: Sequence[str]) -> bool:
    """Whether these lines can be the rest of a signature: few, short, and no sentences in them."""
    for i, line in enumerate(lines):
        if _DASHES.match(line) or _DISCLAIMER.match(line[:_LONGEST]):
            return True
        if i >= _SIGNATURE_LINES or len(line) > 80 or line.rstrip().endswith(("?", "!")):
            return False
        words = line.split()
        if len(words) > 1 and sum(word[:1].islower() for word in words) > len(words) / 2:
            return False
    return True


class _Kept:
    """Lines that stay, and whether there is a word in them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.says = False

    def add(self, line: str) -> None:
        """One more."""
        self.lines.append(line)
        self.says = self.says or any(c.isalpha() for c in line[:_LONGEST])

    def or_else(self, lines: Sequence[str]) -> list[str]:
        """These, or if they say nothing the others."""
        return self.lines if self.says else list(lines)

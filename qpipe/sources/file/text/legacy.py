# ruff: noqa: RUF001, RUF003  (letters of many alphabets)
"""Which encoding a text has that is no Unicode: by how likely its letters are in the languages that were written in it.

A model of a language is its letters, the frequent ones first (by Zipf's law about 1/rank); what cannot be in a word (a sign
between letters, a capital after a small letter, a Latin letter beside a Greek one) counts against it. The sum is in bits.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

MOST = 1024  # bytes beyond ASCII that are looked at
_SURE = 6.0  # bits: 64 times as likely as the next that reads another text
_NO_TEXT = -11.0  # bits for each byte beyond ASCII, below which this is no text in any of them
_IN_DOUBT = 2.5  # bits that another encoding must be better than Western European

_ALPHABETS = {
    "german": "äüöß", "french": "éèàêçâîôùûëïœ", "spanish": "óíáéñúü", "portuguese": "ãçéáõíóêúâàô", "swedish": "äöåé",
    "danish": "øåæé", "italian": "àèùòéì", "icelandic": "áíéóðúýþöæ", "turkish": "ışğüöçi̇", "polish": "łąęóżśćńź",
    "czech": "áíěéřšžýčůúťďňóľôä", "hungarian": "áéöóőüíúű", "romanian": "ăîâşţșț", "croatian": "čšžćđ",
    "baltic": "ėšžčąųįūęāīļķģņēõäöü", "russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "ukrainian": "оанивіетрсклдумпзяьбгчйхїжєцшющґф", "greek": "αοιετσνηυρπκμλωςγάδίόέήύχφβθώζξψϊϋΐΰ",
    "hebrew": "יוהלאתרבמשנדקעכפחםטגצזסןךףץ", "arabic": "النمويرتبةعدسفهكقحجطشصخىأذئءضزثإغظؤآ",
}  # fmt: skip
_WEST = ("german", "french", "spanish", "portuguese", "swedish", "danish", "italian")
_MIDDLE = ("polish", "czech", "hungarian", "romanian", "croatian", "german")
_EAST = ("russian", "ukrainian")
# encoding → the languages that were written in it, and bits against it: the rarer, the more
_EIGHT_BIT: dict[str, tuple[tuple[str, ...], float]] = {
    "cp1252": ((*_WEST, "icelandic"), 0), "cp1250": (_MIDDLE, 1), "cp1254": (("turkish",), 1), "cp1251": (_EAST, 0),
    "koi8_r": (("russian",), 1), "koi8_u": (("ukrainian",), 1.5), "cp1253": (("greek",), 0), "iso8859_7": (("greek",), 1),
    "cp1255": (("hebrew",), 0), "cp1256": (("arabic",), 0), "iso8859_6": (("arabic",), 3), "cp1257": (("baltic",), 3),
    "iso8859_2": (_MIDDLE, 2), "iso8859_15": (_WEST, 4), "cp850": (_WEST, 3), "cp437": (_WEST, 4), "mac_roman": (_WEST, 3),
    "cp852": (_MIDDLE, 3), "cp857": (("turkish",), 3), "cp866": (_EAST, 1), "iso8859_5": (_EAST, 3),
    "mac_cyrillic": (_EAST, 4), "cp737": (("greek",), 3),
}  # fmt: skip
_HAN = (
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然没日于起还"
    "发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工"
    "己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山"
    "五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及"
    "今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟"
    "州深圳成都津广李刘陈杨赵黄周吴徐孙胡朱郭伟芳娜限区县省城港湖河江苏浙福四川云贵陕甘街号楼院店商品价数量客户订单"
)
_HANT = (
    "的一是不了在人有我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可裡後小麼心多天而能好都然沒日於起還"
    "發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長知民樣現分將外但身些與高意進把法此實回二理美點月明其種聲全工"
    "市區縣路街號樓台北高雄臺灣香港新竹桃園南陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴周徐蘇葉莊呂江何蕭羅簡朱鍾彭游詹胡施沈余趙盧梁顏柯翁"
    "小司華電話東西門山水金石龍馬車店商品價數量客戶訂單志玲美英淑雅婷怡俊傑偉建宏文"
)
_KANJI = (
    "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九入選立開手米力学問高代明"
    "実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和統以機平総加山思家話世受"
    "区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文反元重近千考判認画海参売利組"
    "知案道信策集在件団別物側任引使求所次水半品昨論計死官増係感特情投示変打男基私各始島直両朝革価式確村提運終挙果西勢減台広容必応演電歳住争談"
    "能無再位置企真流格有疑口過局少放税検藤町常校料沢裁状工建語球営空職証土与急止送援供可役構木割聞身費付施切由説転食比難防補車優夫研収断井何"
    "南石足違消境神番規術護展態導鮮備宅害配副算視条幹独警宮究育席輸訪楽起万着乗店述残想線率病農州武声質念待試族象銀域助労例衛然早張映限親額監"
    "環験追審商葉義伝働形景落欧担好退準賀訴辺造英被株頭技低毎医復仕去姿味負閣韓渡失移差衆個門写評課末守若脳極種美岡影命含福蔵量望松非撃佐核観"
    "察整段横融型白深字答夜製票況音申様財港識注呼渉達阪浜屋名古鈴佐郎太村林清水森"
)
_HANGUL = (
    "이다는을에의가고은를하한지로서사도기자시리아인대어나들과해그것수있적일정보부라전제주장게상동원구만여와소국경성공오비세유마안스신조게분면선"
    "방위우연화중진생학관무물식산재업미없할된았계개모으간교당내년문회발치김박최강윤조임권황송홍양배백허남심노하곽민영철희호준현우진서울부산대구"
    "인천광주전울세종경기충청북남제회사주식품명번주소전화금액날짜이름길동로"
)
_CJK: dict[str, tuple[str, float]] = {
    "shift_jis": (_KANJI, 0), "cp932": (_KANJI, 1), "euc_jp": (_KANJI, 1), "gb18030": (_HAN, 0), "big5": (_HANT, 0),
    "euc_kr": (_HANGUL, 0), "cp949": (_HANGUL, 1),
}  # fmt: skip
_CONTROLS = bytes(sorted({*range(32)} - {*b"\t\n\v\f\r\x1c\x1d\x1e\x1f\x01\x02"}))
ASIAN = frozenset(_CJK)
_SIGNS = dict.fromkeys("§©®«»¡¿ºª·½¼²³µ×÷´№„‚‹›™•\xa0", -8.0) | dict.fromkeys("€£°", -6.0) | dict.fromkeys("“”‘’–—…", -4.5)
_APART = re.compile(r"[A-Za-z](?=[^\W\d_A-Za-z])|[^\W\d_A-Za-z](?=[A-Za-z])")
_CAPS = re.compile(r"[^\W\d_]{2,}")
_APOSTROPHE = r"(?<!\b[A-Za-z])(?<!\bqu)’(?!(?:s|t|re|ll|ve|d|m)\b)"  # but those of don’t, l’eau, O’Brien
_SIGN_WITHIN = re.compile(rf"(?<=[^\W\d_])(?:[^\w\s\x00-\x7f’]|{_APOSTROPHE})(?=[^\W\d_])")
_IN_PLACE = re.compile(r"(?<=[A-Za-z])’(?=(?:s|t|re|ll|ve|d|m)\b)|\d ?[µ°€£²³½¼ºª](?![^\W\d_]{3})|[€£§©] ?\d|\b[Nn]º")
_ALONE = re.compile(r"(?<![^\W_])[^\W\d_A-Za-z](?=\d)|(?<=\d)[^\W\d_A-Za-z](?![^\W\d_])")  # a letter where £5 has a sign
_RUN = re.compile(r"[^\W\d_a-zA-Z]{3,}")


@dataclass(frozen=True)
class Legacy:
    name: str
    rival: str | None = None  # another encoding that reads another text, nearly as likely


def guess(sample: bytes) -> Legacy:
    """The likeliest encoding of a text whose bytes beyond ASCII are no UTF-8; Western European when in doubt."""
    text = _telling(sample)
    if len(sample) - len(sample.translate(None, _CONTROLS)) > len(sample) * 0.02:
        return Legacy("cp1252")  # no text
    found: dict[str, tuple[float, str]] = {}
    for name in (*_EIGHT_BIT, *_CJK):
        try:
            read = text.decode(name)
        except UnicodeDecodeError:
            continue
        found[name] = (_asian(read, *_CJK[name]) if name in _CJK else _eight_bit(read, *_EIGHT_BIT[name])), read
    if not found:
        return Legacy("cp1252")
    ranked = sorted(found, key=lambda name: -found[name][0])
    best = ranked[0]
    beyond = len(text) - len(text.translate(None, bytes(range(128, 256))))
    if found[best][0] < _NO_TEXT * beyond:
        return Legacy("cp1252")
    if "cp1252" in found and found[best][0] - found["cp1252"][0] < _IN_DOUBT:
        best = "cp1252"
    near = (n for n in ranked if found[n][1] != found[best][1] and found[best][0] - found[n][0] < _SURE)
    return Legacy(best, next(near, None))


def _telling(sample: bytes) -> bytes:
    """The lines with bytes beyond ASCII, as many as say enough."""
    lines, seen = [], 0
    for line in sample.split(b"\n"):
        if not line.isascii():
            lines.append(line)
            seen += len(line) - len(line.translate(None, bytes(range(128, 256))))
            if seen > MOST:
                break
    whole = lines[:-1] if len(lines) > 1 and not sample.endswith(b"\n") else lines  # the last may be cut
    return b"\n".join(whole)


@cache
def _bits(language: str) -> dict[str, float]:
    """Letter → log2 of its share of the letters that are not ASCII."""
    letters = [letter for letter in _ALPHABETS[language] if letter.isalpha()]
    total = sum(1 / (rank + 2) for rank in range(len(letters)))
    found = {}
    for rank, letter in enumerate(letters):
        bits = math.log2(0.95 / (rank + 2) / total)
        found[letter] = bits
        if len(letter.upper()) == 1 and letter.upper() != letter and not letter.upper().isascii():
            found.setdefault(letter.upper(), bits - 3)
    if language == "turkish":
        found["İ"] = found["ı"] - 2
    return found


def _eight_bit(text: str, languages: tuple[str, ...], against: float) -> float:
    counts = Counter(sign for sign in text if sign > "\x7f")
    letters = {sign: n for sign, n in counts.items() if sign.isalpha() and sign not in _SIGNS}
    known = {letter for language in languages for letter in _bits(language)}
    best = max(
        sum(n * _bits(language).get(letter, -9.0 if letter in known else -13.0) for letter, n in letters.items())
        for language in languages
    )
    signs = sum(n * _sign_bits(sign) for sign, n in counts.items() if sign not in letters)
    latin = languages[0] in (*_WEST, *_MIDDLE, "turkish", "baltic")
    return best + signs - against - _unlikely(text, latin)


def _sign_bits(sign: str) -> float:
    if sign in _SIGNS:
        return _SIGNS[sign]
    return -20.0 if sign < "\xa0" or not sign.isprintable() else -15.0


def _unlikely(text: str, latin: bool) -> float:
    """Bits against what hardly stands in a word."""
    bits = 7.0 * len(_SIGN_WITHIN.findall(text)) + 6.0 * len(_ALONE.findall(text)) - 4.0 * len(_IN_PLACE.findall(text))
    for word in _CAPS.findall(text):
        if word.isascii():
            continue
        for before, sign, after in zip(" " + word, word, word[1:] + " ", strict=False):
            odd = (before.islower() and sign.isupper()) or (before.isupper() and sign.isupper() and after.islower())
            bits += 6.0 * (odd and not (before.isascii() and sign.isascii()))
    if latin:
        return bits + 4.0 * sum(len(run) - 2 for run in _RUN.findall(text))
    return bits + 6.0 * len(_APART.findall(text))


def _asian(text: str, frequent: str, against: float) -> float:
    bits = -against - 6.0 * len(_APART.findall(text))
    for sign, n in Counter(sign for sign in text if sign > "\x7f").items():
        bits += n * _asian_bits(sign, frequent)
    return bits


def _asian_bits(sign: str, frequent: str) -> float:
    if sign in frequent:
        return -7.5
    if "\u3041" <= sign <= "\u30fe":
        return -6.5 if frequent is _KANJI else -14.0
    if "\uac00" <= sign <= "\ud7a3":
        return -10.5 if frequent is _HANGUL else -18.0
    if "\u4e00" <= sign <= "\u9fff":
        return -12.5 if frequent is not _HANGUL else -16.0
    if "\u3000" <= sign <= "\u303f" or "\uff01" <= sign <= "\uff5e":
        return -9.0
    return -9.5 if "\uff61" <= sign <= "\uff9f" else -18.0

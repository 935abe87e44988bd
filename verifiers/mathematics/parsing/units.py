"""Units: what a word behind a number measures, and how much of it.

A unit is a pair (dimensions, scale): dimensions is a sorted tuple of (name, exponent), scale a Fraction in terms of that
dimension's first unit. Words that are no unit make a label: (("label", "apple"), 1). `None` stands for no unit at all.
"""

import re
from fractions import Fraction

Unit = tuple[tuple[tuple[str, object], ...], Fraction]

_TABLE = """
length  m 1 metre metres meter meters
length  cm 1/100 centimetre centimetres centimeter centimeters
length  mm 1/1000 millimetre millimetres millimeter millimeters
length  dm 1/10 decimeter decimeters decimetre decimetres
length  km 1000 kilometre kilometres kilometer kilometers
length  um 1/1000000 micrometer micrometers micrometre micrometres micron microns
length  nm 1/1000000000 nanometer nanometers
length  in 127/5000 inch inches
length  ft 381/1250 foot feet
length  yd 1143/1250 yard yards yds
length  mi 201168/125 mile miles
mass    g 1 gram grams gm
mass    kg 1000 kilogram kilograms kgs kilo kilos
mass    mg 1/1000 milligram milligrams
mass    ug 1/1000000 microgram micrograms
mass    tonne 1000000 tonnes
mass    lb 45359237/100000 lbs pound pounds
mass    oz 45359237/1600000 ounce ounces
mass    ton 45359237/50 tons
time    s 1 sec secs second seconds
time    ms 1/1000 millisecond milliseconds
time    min 60 mins minute minutes
time    us 1/1000000 microsecond microseconds
time    ns 1/1000000000 nanosecond nanoseconds
time    h 3600 hr hrs hour hours
time    day 86400 days
time    week 604800 weeks wk wks
month   month 1 months
month   year 12 years yr yrs
usd     usd 1 dollar dollars bucks
usd     cents 1/100 cent
eur     eur 1 euro euros
gbp     gbp 1 quid
gbp     pence 1/100
jpy     jpy 1 yen
cny     cny 1 yuan rmb
inr     inr 1 rupee rupees rs
degree  deg 1 degree degrees
radian  rad 1 radian radians rads
celsius celsius 1
fahrenheit fahrenheit 1
kelvin  kelvin 1 kelvins
force   newton 1 newtons
energy  joule 1 joules
energy  kilojoule 1000 kilojoules kj
power   watt 1 watts
power   kilowatt 1000 kilowatts kw
charge  coulomb 1 coulombs
voltage volt 1 volts
resistance ohm 1 ohms
current ampere 1 amperes amp amps
frequency hertz 1 hz
frequency khz 1000 kilohertz
frequency mhz 1000000 megahertz
frequency ghz 1000000000 gigahertz
frequency thz 1000000000000
pressure pascal 1 pascals pa
pressure kpa 1000 kilopascal kilopascals
pressure mpa 1000000 megapascal megapascals
pressure gpa 1000000000
pressure bar 100000 bars
pressure atm 101325 atmosphere atmospheres
pressure torr 101325/760 mmhg
force   kilonewton 1000 kilonewtons kn
energy  kwh 3600000
energy  mj 1000000 megajoule megajoules
energy  cal 4184/1000 calorie calories
energy  kcal 4184 kilocalorie kilocalories
energy  ev 1602176634/10000000000000000000000000000
energy  kev 1602176634/10000000000000000000000000
energy  mev 1602176634/10000000000000000000000
power   megawatt 1000000 megawatts mw
voltage kilovolt 1000 kilovolts kv
voltage millivolt 1/1000 millivolts mv
current milliampere 1/1000 ma
field   tesla 1 teslas
field   gauss 1/10000
capacitance farad 1 farads
inductance henry 1
data    byte 1 bytes
data    kb 1000 kilobyte kilobytes
data    mb 1000000 megabyte megabytes
data    gb 1000000000 gigabyte gigabytes
data    tb 1000000000000 terabyte terabytes
data    bit 1/8 bits
turn    revolution 1 revolutions rev
amount  mmol 1/1000
amount  kmol 1000
amount  mol 1 mole moles mols
"""
_VOLUMES = """
l 1/1000 litre litres liter liters
ml 1/1000000 millilitre millilitres milliliter milliliters cc
gal 473176473/125000000000 gallon gallons
qt 473176473/500000000000 quart quarts
pt 473176473/1000000000000 pint pints
cup 473176473/2000000000000 cups
"""
_SPEEDS = """
mph 1397/3125
kph 5/18
kmh 5/18
kmph 5/18
"""
MAGNITUDES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12, "lakh": 10**5, "lakhs": 10**5,
    "lac": 10**5, "crore": 10**7, "crores": 10**7, "bn": 10**9, "mn": 10**6, "mln": 10**6, "bln": 10**9, "tn": 10**12,
    "thousands": 10**3, "millions": 10**6, "billions": 10**9, "quadrillion": 10**15,
    "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8,
}  # fmt: skip
_FILLERS = frozenset(
    [
        "of",
        "in",
        "the",
        "a",
        "an",
        "about",
        "around",
        "approximately",
        "exactly",
        "total",
        "each",
        "old",
        "away",
        "long",
        "tall",
        "high",
        "wide",
        "deep",
        "left",
    ]
)
_COUNTLESS = frozenset(["unit", "units"])
_SQUARES = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS = {"squared": 2, "cubed": 3}


def _read_tables() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _TABLE.split("\n"):
        if line.strip():
            dimension, name, scale, *others = line.split()
            for word in (name, *others):
                units[word] = (((dimension, 1),), Fraction(scale))
    for table, dimensions in ((_VOLUMES, (("length", 3),)), (_SPEEDS, (("length", 1), ("time", -1)))):
        for line in table.split("\n"):
            if line.strip():
                name, scale, *others = line.split()
                for word in (name, *others):
                    units[word] = (dimensions, Fraction(scale))
    return units


_ALL = _read_tables()
_SINGLE_LETTERS = frozenset(word for word in _ALL if len(word) == 1)
UNITS = (
    frozenset(_ALL)
    - _SINGLE_LETTERS
    - frozenset(
        [
            "in",
            "rs",
            "pt",
            "pa",
            "ma",
            "kn",
            "mj",
            "mw",
            "mv",
            "kv",
            "ev",
            "bar",
            "bit",
            "rev",
            "cal",
            "mb",
            "kb",
            "gb",
            "tb",
        ]
    )
    | frozenset(_COUNTLESS)
    | frozenset(_SQUARES)
    | frozenset(["percent", "percentage", "pct", "percents"])
)
SYMBOL_UNITS = {"L": _ALL["l"], "N": _ALL["newton"], "J": _ALL["joule"], "W": _ALL["watt"], "V": _ALL["volt"], "K": _ALL["kelvin"], "kW": _ALL["kw"], "MB": _ALL["mb"], "GB": _ALL["gb"], "kWh": _ALL["kwh"], "GHz": _ALL["ghz"], "MHz": _ALL["mhz"], "kHz": _ALL["khz"],
                "MeV": _ALL["mev"], "keV": _ALL["kev"], "eV": _ALL["ev"], "kPa": _ALL["kpa"], "MPa": _ALL["mpa"], "kN": _ALL["kn"], "MJ": _ALL["mj"], "MW": _ALL["mw"],
                "A": _ALL["ampere"], "Hz": _ALL["hz"], "Pa": _ALL["pa"], "Omega": _ALL["ohm"], "kJ": _ALL["kj"], "C": _ALL["coulomb"], "T": _ALL["tesla"], "F": _ALL["farad"], "mL": _ALL["ml"],
                **{letter: _ALL[letter] for letter in _SINGLE_LETTERS}}  # fmt: skip
DEGREES, RADIANS, PERCENT = _ALL["deg"], _ALL["rad"], (("percent", 1),)


_PREFIXES = {"p": -12, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9}
_PREFIXED = {symbol: _ALL[name] for symbol, name in (
    ("J", "joule"), ("W", "watt"), ("N", "newton"), ("V", "volt"), ("A", "ampere"), ("C", "coulomb"), ("F", "farad"), ("T", "tesla"),
    ("H", "henry"), ("Hz", "hertz"), ("Pa", "pascal"), ("eV", "ev"), ("mol", "mol"))}  # fmt: skip


def named(word: str) -> Unit | None:
    """The unit of one word, abbreviation or plural, or None."""
    if word in SYMBOL_UNITS:
        return SYMBOL_UNITS[word]
    if word[:1] in _PREFIXES and word[1:] in _PREFIXED:
        dimensions, scale = _PREFIXED[word[1:]]
        return dimensions, scale * Fraction(10) ** _PREFIXES[word[0]]
    lowered = word.lower()
    return _ALL.get(word) or (_ALL.get(lowered) if len(word) > 1 else None)


def unit_of(parts: list[str]) -> Unit | None:
    """The unit that the words and signs behind a number make: ["square", "feet"], ["km", "/", "h"], ["cm", "^", "2"].

    None where they measure nothing ("units"); a label where they name things ("apples").
    """
    dimensions: dict[str, int] = {}
    scale, side, power, known, label = Fraction(1), 1, 1, False, []
    position = 0
    while position < len(parts):
        word = parts[position]
        position += 1
        if word in ("/", "per", "an", "a") and (word in ("/", "per") or position == 1):
            side = -1 if word in ("/", "per") else side
            continue
        if word.lower() in _SQUARES:
            power = _SQUARES[word.lower()]
            continue
        if word in ("*", "·"):
            continue
        exponent = power
        if parts[position : position + 1] == ["^"] and position + 1 < len(parts):
            exponent = int(parts[position + 1])
            position += 2
        elif parts[position : position + 1] and parts[position] in _POWERS:
            exponent = _POWERS[parts[position]]
            position += 1
        power = 1
        unit = named(word)
        if word.lower() in _COUNTLESS:
            continue
        if unit is None:
            if word.lower() not in _FILLERS:
                label.append(singular(word.lower()))
            continue
        if label and side == 1:
            continue
        known = True
        for name, count in unit[0]:
            dimensions[name] = dimensions.get(name, 0) + side * exponent * count
        scale *= unit[1] ** (side * exponent)
    if not known and not label:
        return None
    named_things = (("label", " ".join(label)),) if label and not known else ()
    return tuple(sorted((name, count) for name, count in dimensions.items() if count)) + named_things, scale


def currency(name: str) -> Unit:
    return _ALL[name]


def singular(word: str) -> str:
    """A noun without the s of its plural; good enough to tell whether two labels are the same word."""
    if len(word) > 4 and re.search(r"(?:ches|shes|xes|sses)$", word):
        return word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word

"""Tools for the level and turbidity records of the River Brae gauges.

The loggers at the stations B1 to B14 write one line every fifteen minutes:
time, water level in metres, battery voltage and, at five of the stations,
turbidity in NTU.  All times are UTC.  Do not change the clocks to summer
time; that was done once at B3 and cost the group two months.

The order of the steps matters: first replace the sentinels, then shift the
clock, then remove spikes, and only then fill the gaps.  If the gaps are
filled before the spikes have been removed, a single dead leaf in front of the
lens is spread over an hour of data.

Written by Lucian Abara for the River Brae project.  Questions to him or to
Ines Farrow.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

# The value that the Kelvane loggers write when the probe does not answer.
SENTINEL = -999.0

# Gaps longer than this are left open.  We tried 90 minutes as well, but that
# cut off the peaks of short summer storms.
MAX_GAP_MINUTES = 45

# A value is a spike if it lies further from the running median than this
# number of median absolute deviations.
SPIKE_THRESHOLD = 4.5

# Width of the running median, in readings.  Nine readings are two hours.
MEDIAN_WINDOW = 9

# Density of the sediment in grams per cubic centimetre (slate silt).
SEDIMENT_DENSITY = 2.65

# Below this battery voltage the turbidity sensor is no longer reliable, though
# the water level can still be used.
MIN_BATTERY_VOLTS = 11.4

# Coefficients a and b of concentration = a * turbidity ** b, in mg per litre,
# fitted in November 2024.  B13 is affected by the tide.
RATING = {
    "B3": (1.42, 1.05),
    "B5": (1.61, 1.02),
    "B7": (1.55, 1.04),
    "B10": (1.38, 1.08),
    "B13": (1.90, 0.97),
}


class GaugeError(ValueError):
    """Raised when a record cannot be used at all, e.g. if it is empty."""


def read_sentinels(values: list[float]) -> list[float | None]:
    """Replace the sentinel of the logger by None."""
    return [None if value == SENTINEL else value for value in values]


def fix_b3_clock(times: list[datetime]) -> list[datetime]:
    """Undo the summer time of the logger at B3.

    From 31 March to 27 October 2022 the clock was one hour fast.  The change
    back happened by hand at 10:40, and for that reason the four readings after
    it appear twice.  The caller has to drop the duplicates; by convention we
    keep the later ones.
    """
    begin = datetime(2022, 3, 31)
    end = datetime(2022, 10, 27, 10, 40)
    return [
        time - timedelta(hours=1) if begin <= time <= end else time
        for time in times
    ]


def remove_spikes(values: list[float | None]) -> list[float | None]:
    """Set values to None that are far from the running median.

    The usual cause is a leaf, a fish or a spider in front of the lens.  Real
    floods are not affected, because they rise over several readings and carry
    the median along with them.
    """
    result = list(values)
    half = MEDIAN_WINDOW // 2
    for index, value in enumerate(values):
        if value is None:
            continue
        window = [
            other
            for other in values[max(0, index - half) : index + half + 1]
            if other is not None
        ]
        middle = median(window)
        spread = median(abs(other - middle) for other in window)
        if spread > 0 and abs(value - middle) > SPIKE_THRESHOLD * spread:
            result[index] = None
    return result


def fill_gaps(
    times: list[datetime], values: list[float | None]
) -> list[float | None]:
    """Fill short gaps by linear interpolation.

    Gaps at the beginning and at the end of the record are never filled.
    Raises GaugeError if the two lists differ in length.
    """
    if len(times) != len(values):
        raise GaugeError("times and values differ in length")
    result = list(values)
    last: int | None = None
    for index, value in enumerate(values):
        if value is None:
            continue
        if last is not None and index - last > 1:
            gap = (times[index] - times[last]).total_seconds()
            if gap <= MAX_GAP_MINUTES * 60:
                step = (value - values[last]) / gap
                for inner in range(last + 1, index):
                    passed = (times[inner] - times[last]).total_seconds()
                    result[inner] = values[last] + step * passed
        last = index
    return result


def concentration(station: str, turbidity: float) -> float:
    """Return the concentration in mg per litre for a turbidity in NTU.

    The rating curves hold up to 1,800 NTU.  Above that the sensor is
    saturated and the sampler has to be used instead.
    """
    if station not in RATING:
        raise GaugeError(f"no turbidity sensor at {station}")
    factor, exponent = RATING[station]
    return factor * turbidity**exponent


def load_tonnes(
    concentrations: list[float], discharges: list[float], minutes: int = 15
) -> float:
    """Add up the suspended load in tonnes.

    Concentrations are in mg per litre and discharges in cubic metres per
    second, so that their product is in grams per second.
    """
    grams = sum(c * q for c, q in zip(concentrations, discharges, strict=True))
    return grams * minutes * 60 / 1_000_000

//! Moments, as image configurations write them.

use std::fmt;
use std::str::FromStr;

/// A moment in UTC with nanoseconds. The years that can be written are jiff's, 9999 before to 9999 after: image files do use year 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// The text is no RFC 3339 date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date and time")]
pub struct ParseTimestampError;

impl Timestamp {
    /// Go's zero time, which Docker writes for "never".
    pub const ZERO: Self = Self { seconds: -62_135_596_800, nanos: 0 };

    /// Nanoseconds since 1970: years from 1677 to 2262, and those bounds for what lies beyond.
    pub fn to_nanos(self) -> i64 {
        self.seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(i64::from(self.nanos))
    }

    /// The moment so many nanoseconds after 1970.
    pub fn from_nanos(nanos: i64) -> Self {
        Self {
            seconds: nanos.div_euclid(NANOS_PER_SECOND),
            nanos: u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).expect("a remainder below a billion"),
        }
    }
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl From<jiff::Timestamp> for Timestamp {
    fn from(moment: jiff::Timestamp) -> Self {
        // jiff counts towards 1970, which is up before it.
        let (seconds, nanos) = (moment.as_second(), moment.subsec_nanosecond());
        let borrowed = i64::from(nanos < 0);
        let nanos = i64::from(nanos) + borrowed * NANOS_PER_SECOND;
        Self { seconds: seconds - borrowed, nanos: u32::try_from(nanos).expect("a part of a second") }
    }
}

/// Moments beyond jiff's range become its bounds.
impl From<Timestamp> for jiff::Timestamp {
    fn from(moment: Timestamp) -> Self {
        let bound = if moment.seconds < 0 { Self::MIN } else { Self::MAX };
        let nanos = i32::try_from(moment.nanos).unwrap_or_default();
        Self::new(moment.seconds, nanos).unwrap_or(bound)
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(Self::from).map_err(|_| ParseTimestampError)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC; the fraction without trailing zeros, as Go's `RFC3339Nano`, or with as many digits as are asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        jiff::Timestamp::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        fn check(text: &str, seconds: i64, nanos: u32) {
            assert_eq!(text.parse(), Ok(Timestamp { seconds, nanos }), "{text}");
        }
        check("1970-01-01T00:00:00Z", 0, 0);
        check("1969-12-31T23:59:59.75Z", -1, 750_000_000);
        check("2026-11-23T04:44:00.434985844Z", 1_795_409_040, 434_985_844);
        check("2026-11-23 04:44:00.434985844z", 1_795_409_040, 434_985_844);
        check("2000-02-29T12:00:00.5+02:00", 951_818_400, 500_000_000);
        check("0001-01-01T00:00:00Z", Timestamp::ZERO.seconds, 0);
        for bad in ["", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "x"] {
            assert_eq!(bad.parse::<Timestamp>(), Err(ParseTimestampError), "{bad}");
        }
    }

    #[test]
    fn moments_are_written_as_go_writes_them() {
        for text in ["0001-01-01T00:00:00Z", "2026-11-23T04:44:00.1Z", "1969-12-31T23:59:59.000000001Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        let moment: Timestamp = "2026-11-23T04:44:00.1Z".parse().unwrap();
        assert_eq!(format!("{moment:.9}"), "2026-11-23T04:44:00.100000000Z");
        let beyond = Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(beyond.to_string(), "9999-12-30T22:00:00.999999999Z");
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(seconds in -62_135_596_800i64..253_402_207_200, nanos in 0u32..1_000_000_000) {
            let moment = Timestamp { seconds, nanos };
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}

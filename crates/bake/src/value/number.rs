//! Numbers: exact while they are whole.

use std::cmp::Ordering;
use std::fmt;

/// A number. Whole numbers are exact up to 38 digits; all others have the 53 bits of a double.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// Whole.
    Whole(i128),
    /// Not whole, or too big; never NaN.
    Real(f64),
}

impl Number {
    /// `None` for NaN, which is no number here.
    pub(crate) fn of(real: f64) -> Option<Self> {
        // 2^100: far below where `i128` ends, and every double there is whole.
        const EXACT: f64 = (1_u128 << 100) as f64;
        if real.is_nan() {
            return None;
        }
        let is_whole = real.trunc() == real && real.abs() < EXACT;
        Some(if is_whole { Self::Whole(real as i128) } else { Self::Real(real) })
    }

    /// Reads a decimal number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        // What Rust reads beyond decimals ("inf", "NaN") has no digit.
        if !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|real: &f64| real.is_finite()).and_then(Self::of)
    }

    /// As a double.
    pub(crate) fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }

    /// As an integer, if it is one.
    pub(crate) fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(whole) => Some(whole),
            Self::Real(_) => None,
        }
    }

    /// As a count or a position, if it is one.
    pub(crate) fn index(self) -> Option<usize> {
        self.whole().and_then(|whole| usize::try_from(whole).ok())
    }

    /// The sum, difference or product: exact if it can be.
    pub(crate) fn calculate(
        self,
        other: Self,
        exact: fn(i128, i128) -> Option<i128>,
        real: fn(f64, f64) -> f64,
    ) -> Option<Self> {
        let whole = self.whole().zip(other.whole()).and_then(|(a, b)| exact(a, b));
        whole.map(Self::Whole).or_else(|| Self::of(decimal(real(self.real(), other.real()))))
    }

    /// The quotient; `None` for a divisor of zero.
    pub(crate) fn divide(self, by: Self) -> Option<Self> {
        if by.real() == 0.0 {
            return None;
        }
        match (self, by) {
            (Self::Whole(a), Self::Whole(b)) if a.checked_rem(b) == Some(0) => Some(Self::Whole(a / b)),
            _ => Self::of(self.real() / by.real()),
        }
    }

    /// The remainder, with the sign of the dividend; `None` for a divisor of zero.
    pub(crate) fn modulo(self, by: Self) -> Option<Self> {
        if by.real() == 0.0 {
            return None;
        }
        match (self, by) {
            (Self::Whole(a), Self::Whole(b)) => a.checked_rem(b).map(Self::Whole),
            _ => Self::of(self.real() % by.real()),
        }
    }
}

/// The nearest number of 15 digits: 0.1 and 0.2 are 0.3, as they are with the longer numbers of HCL.
fn decimal(real: f64) -> f64 {
    format!("{real:.14e}").parse().unwrap_or(real)
}

impl From<usize> for Number {
    fn from(count: usize) -> Self {
        Self::Whole(count as i128)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            (a, b) => a.real().total_cmp(&b.real()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => write!(f, "{whole}"),
            Self::Real(real) => write!(f, "{real}"),
        }
    }
}

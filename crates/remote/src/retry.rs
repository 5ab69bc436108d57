//! Trying again: how often, how long to wait, and what servers say about it.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use ureq::http::HeaderMap;
use wharfie_content::{Event, Watch};

use crate::Error;

/// How often and how patiently to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often a transfer is tried in all.
    pub attempts: u32,
    /// What a second is. Tests shorten it; every wait is a multiple of it.
    pub unit: Duration,
    /// The longest wait, in seconds, that a registry's `Retry-After` is granted; beyond it the request fails at once.
    pub longest: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, unit: Duration::from_secs(1), longest: 60 }
    }
}

impl Retry {
    /// Seconds to wait after failure number `failures` (1, 2, …) of a transfer, or `None` when it was the last or trying
    /// again is pointless. Waits 5, 10, 15, 20 seconds; what the server asks for wins.
    pub(crate) fn wait(&self, failures: u32, why: &Error) -> Option<u64> {
        if failures >= self.attempts || !why.is_transient() {
            return None;
        }
        match why.retry_after() {
            Some(seconds) => (seconds <= self.longest).then_some(seconds),
            // A registry that limits us without saying for how long: docker reports it at once.
            None if why.status() == Some(429) => None,
            None => Some(5 * u64::from(failures)),
        }
    }

    /// Waits, telling `watch` once per second how many are left. False if the work was called off meanwhile.
    pub(crate) fn count_down(&self, seconds: u64, watch: Watch<'_>) -> bool {
        for left in (1..=seconds).rev() {
            if watch.observer.check().is_err() {
                return false;
            }
            watch.observer.observe(Event::Retrying { task: watch.task, seconds: left });
            match watch.observer.cancel() {
                Some(cancel) => drop(cancel.pause(self.unit)),
                None => std::thread::sleep(self.unit),
            }
        }
        watch.observer.check().is_ok()
    }

    /// How long to wait after failure number `failures` of a short request that nobody watches, or `None` to give up.
    /// A crowded registry (429) is waited for only when it says for how long: docker reports it at once.
    pub(crate) fn pause(&self, failures: u32, status: u16, retry_after: Option<u64>) -> Option<Duration> {
        if failures >= SHORT_ATTEMPTS.min(self.attempts) {
            return None;
        }
        match retry_after {
            Some(seconds) => {
                (seconds <= self.longest).then(|| self.unit.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX)))
            }
            None if status == 429 => None,
            None => Some(self.unit * failures / 5),
        }
    }
}

/// 3: a registry that fails a small request three times in half a second means it.
const SHORT_ATTEMPTS: u32 = 3;

/// True for answers that may be better in a moment.
pub(crate) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504 | 507..=599)
}

/// The seconds that `Retry-After` asks for. A date counts from the answer's own `Date`, so no clock is needed and
/// a wrong one does not matter. Source: RFC 9110, section 10.2.3.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(u64::MAX));
    }
    let now = http_date(headers.get("date")?.to_str().ok()?)?;
    Some(http_date(text)?.saturating_sub(now))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`; the obsolete formats are not read. That is the date of mail, too.
pub(crate) fn http_date(text: &str) -> Option<u64> {
    // A wrong day of the week says nothing about the moment.
    let parser = DateTimeParser::new().relaxed_weekday(true);
    u64::try_from(parser.parse_timestamp(text.trim()).ok()?.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use wharfie_content::{Cancel, Observer};

    use super::*;

    #[test]
    fn dates_are_counted_from_the_servers_own() {
        fn check(after: &str, date: Option<&str>, expected: Option<u64>) {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", after.parse().unwrap());
            if let Some(date) = date {
                headers.insert("date", date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers), expected, "{after}");
        }
        check("7", None, Some(7));
        check("99999999999999999999", None, Some(u64::MAX));
        check("-1", None, None);
        check("soon", None, None);
        check("Sun, 06 Nov 1994 08:50:07 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some("Sun, 06 Nov 1994 08:50:07 GMT"), Some(0));
        check("Sun, 06 Nov 1994 08:50:07 GMT", None, None);
        check("Fri, 01 Mar 2024 00:00:00 GMT", Some("Wed, 28 Feb 2024 00:00:00 GMT"), Some(2 * 86_400));
    }

    #[test]
    fn http_dates_are_seconds_since_1970() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Thu, 41 Jan 1970 00:00:00 GMT"), None);
    }

    #[test]
    fn nobody_waits_for_what_is_not_wanted_any_more() {
        struct Unwanted(Cancel);

        impl Observer for Unwanted {
            fn observe(&self, event: Event) {
                panic!("{event:?}");
            }

            fn cancel(&self) -> Option<&Cancel> {
                Some(&self.0)
            }
        }

        let unwanted = Unwanted(Cancel::default());
        unwanted.0.cancel();
        let watch = Watch { observer: &unwanted, task: wharfie_content::TaskId::next() };
        assert!(!Retry::default().count_down(60, watch));
        let at_once = Retry { unit: Duration::ZERO, ..Retry::default() };
        assert!(at_once.count_down(60, Watch::silent()));
    }
}

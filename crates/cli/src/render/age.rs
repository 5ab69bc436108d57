//! How long ago something was, for people.

use jiff::Timestamp;

/// The span from `then` to `now` in words.
pub fn between(then: Timestamp, now: Timestamp) -> String {
    wharfie_model::span(now.duration_since(then).as_secs_f64())
}

/// [`between`] with ` ago` after it, as in the CREATED columns.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    between(then, now) + " ago"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_moments() {
        let now: Timestamp = "2026-11-23T04:44:00Z".parse().unwrap();
        assert_eq!(ago(Timestamp::UNIX_EPOCH, now), "56 years ago");
        assert_eq!(between("2026-11-23T04:45:40Z".parse().unwrap(), now), "Less than a second");
        assert_eq!(ago("2026-11-23T04:43:57.5Z".parse().unwrap(), now), "2 seconds ago");
    }
}

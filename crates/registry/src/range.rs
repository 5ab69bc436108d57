//! Ranges of bytes: what is asked for, and what is sent.
//! Source: RFC 9110, 14.2 (`Range`), and distribution-spec, "Pushing a blob in chunks" (`Content-Range`).

/// What of a blob is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: nothing was asked for, or something that a server may ignore.
    Whole,
    /// These bytes, the last one included.
    Part {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Nothing that it has.
    Unsatisfiable,
}

/// Reads a `Range` header about `size` bytes. Several ranges, other units and nonsense are as if nothing had been asked for.
pub fn wanted(header: &str, size: u64) -> Wanted {
    let Some(spec) = header.trim().strip_prefix("bytes=") else { return Wanted::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        return match number(last) {
            None => Wanted::Whole,
            Some(0) => Wanted::Unsatisfiable,
            Some(_) if size == 0 => Wanted::Unsatisfiable,
            Some(count) => Wanted::Part { first: size.saturating_sub(count), last: size - 1 },
        };
    }
    let Some(first) = number(first) else { return Wanted::Whole };
    let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
    match last {
        None => Wanted::Whole,
        Some(last) if last < first => Wanted::Whole,
        Some(_) if first >= size => Wanted::Unsatisfiable,
        Some(last) => Wanted::Part { first, last: last.min(size - 1) },
    }
}

/// Reads the `Content-Range` of a chunk: `first-last`, with or without `bytes` and the whole length.
/// Gives the first byte and how many there are.
pub fn chunk(header: &str) -> Option<(u64, u64)> {
    let text = header.trim();
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches([' ', '=']));
    let text = text.split('/').next().unwrap_or_default();
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    Some((first, last.checked_sub(first)?.checked_add(1)?))
}

/// How many bytes of an upload are here, as `Range` says it. None at all is `0-0`, as docker's registry says it.
pub(crate) fn received(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        let part = |first, last| Wanted::Part { first, last };
        fn check(header: &str, size: u64, expected: Wanted) {
            assert_eq!(wanted(header, size), expected, "{header} of {size}");
        }
        check("bytes=0-0", 10, part(0, 0));
        check("bytes=2-", 10, part(2, 9));
        check("bytes=2-100", 10, part(2, 9));
        check("bytes=-3", 10, part(7, 9));
        check("bytes=-30", 10, part(0, 9));
        check("bytes=-0", 10, Wanted::Unsatisfiable);
        check("bytes=10-", 10, Wanted::Unsatisfiable);
        check("bytes=0-", 0, Wanted::Unsatisfiable);
        check("bytes=-1", 0, Wanted::Unsatisfiable);
        for ignored in ["bytes=5-2", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes=", "", "bytes=+1-2"] {
            check(ignored, 10, Wanted::Whole);
        }
    }

    #[test]
    fn chunks_say_where_they_begin() {
        assert_eq!(chunk("0-9"), Some((0, 10)));
        assert_eq!(chunk("bytes 5-9/100"), Some((5, 5)));
        assert_eq!(chunk("bytes=5-9"), Some((5, 5)));
        for bad in ["", "5", "9-5", "a-b", "-", "0-18446744073709551615", "1-", "-1", "0x1-2"] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_there(header in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in 0u64..100) {
            if let Wanted::Part { first, last } = wanted(&header, size) {
                prop_assert!(first <= last && last < size);
            }
        }

        #[test]
        fn no_header_panics(header in "\\PC{0,40}", size: u64) {
            let _ = (wanted(&header, size), chunk(&header));
        }
    }
}

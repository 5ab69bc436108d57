//! Copies in parts that take a moment each, so that there is something to tell of meanwhile.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Copies `data` to `output` and returns its length. Calls `told` with what is done after each part. The parts grow until one takes
/// a moment: from a file the kernel copies, and each part costs a few system calls.
pub(super) fn copy(
    data: &mut impl Read,
    output: &mut (impl Write + ?Sized),
    told: &mut dyn FnMut(u64),
) -> io::Result<u64> {
    let (mut done, mut part) = (0, FIRST_PART);
    loop {
        let start = Instant::now();
        let copied = io::copy(&mut data.by_ref().take(part), output)?;
        done += copied;
        if copied > 0 {
            told(done);
        }
        if copied < part {
            return Ok(done);
        }
        part = next_part(part, start.elapsed());
    }
}

/// The size of the next part, after one of `part` bytes that took `elapsed`.
fn next_part(part: u64, elapsed: Duration) -> u64 {
    match elapsed {
        quick if quick < MOMENT / 2 => (part * 2).min(MAX_PART),
        slow if slow > MOMENT * 2 => (part / 2).max(MIN_PART),
        _ => part,
    }
}

/// 100 ms: several parts a second.
const MOMENT: Duration = Duration::from_millis(100);
/// 256 KiB: what a pipe of the usual size takes in a few turns.
const FIRST_PART: u64 = 256 << 10;
/// 16 KiB: a line so slow that this takes longer is not worth more words.
const MIN_PART: u64 = 16 << 10;
/// 64 MiB: no disk takes more in a moment.
const MAX_PART: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_copied_and_told_in_order() {
        for len in [0, 1, FIRST_PART, FIRST_PART + 1, 5 * FIRST_PART] {
            let data = vec![7; usize::try_from(len).unwrap()];
            let (mut output, mut told) = (Vec::new(), Vec::new());
            assert_eq!(copy(&mut data.as_slice(), &mut output, &mut |done| told.push(done)).unwrap(), len);
            assert_eq!(output, data);
            assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
            assert_eq!(told.last().copied().unwrap_or(0), len);
        }
    }

    #[test]
    fn parts_suit_the_speed_of_the_output() {
        let ms = Duration::from_millis;
        assert_eq!(next_part(FIRST_PART, ms(1)), 2 * FIRST_PART);
        assert_eq!(next_part(FIRST_PART, ms(100)), FIRST_PART);
        assert_eq!(next_part(FIRST_PART, ms(900)), FIRST_PART / 2);
        assert_eq!(next_part(MIN_PART, ms(900)), MIN_PART);
        assert_eq!(next_part(MAX_PART, ms(1)), MAX_PART);
    }
}

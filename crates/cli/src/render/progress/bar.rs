//! The bar: how much of a task is done, in the shape people know.

use std::time::Duration;

use crate::render::size::long;

/// Cells between the brackets, the arrow's head not counted.
const CELLS: u64 = 50;
/// Terminals must be wider than this for the bar itself.
const BAR_MIN_WIDTH: usize = 110;
/// Terminals must be wider than this for the time left.
const TIME_MIN_WIDTH: usize = 50;
/// Terminals must be wider than this for the speed: docker shows it beside the bar only, but it fits the usual 80 columns.
const SPEED_MIN_WIDTH: usize = 70;
/// Before that, speed is a guess.
const MIN_ELAPSED: Duration = Duration::from_secs(1);

/// How fast it goes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Since it began to move.
    pub(super) elapsed: Duration,
    /// Bytes since then.
    pub(super) moved: u64,
}

/// `[=====>     ]  1.5MB/10MB 5s (2MB/s)`, as much of it as `width` has room for; empty if nothing is known.
pub(super) fn bar(done: u64, total: Option<u64>, pace: Pace, width: usize) -> String {
    let counted = long(done);
    let Some(total) = total.filter(|&total| total > 0) else {
        return if done == 0 { String::new() } else { format!("{counted:>8}") };
    };
    let cells = (u128::from(done) * 100 / u128::from(total) / 2).min(u128::from(CELLS));
    let cells = usize::try_from(cells).unwrap_or_default();
    let mut text = String::new();
    if width > BAR_MIN_WIDTH {
        let blanks = usize::try_from(CELLS).unwrap_or_default() - cells;
        text = format!("[{}>{}] ", "=".repeat(cells), " ".repeat(blanks));
    }
    // More than there is cannot be compared with it.
    text += &if done > total { format!("{counted:>8}") } else { format!("{counted:>8}/{}", long(total)) };
    if pace.elapsed < MIN_ELAPSED || pace.moved == 0 || done >= total {
        return text;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let speed = pace.moved as f64 / pace.elapsed.as_secs_f64();
    if width > TIME_MIN_WIDTH {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let left = (total - done) as f64 / speed;
        text += &format!(" {}", clock(left as u64));
    }
    if width > SPEED_MIN_WIDTH {
        text += &format!(" ({}/s)", long(speed as u64));
    }
    text
}

/// `1h2m3s`, without the parts before the first that counts.
fn clock(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(done: u64, total: Option<u64>, seconds: u64, width: usize, expected: &str) {
        let pace = Pace { elapsed: Duration::from_secs(seconds), moved: done };
        assert_eq!(bar(done, total, pace, width), expected);
    }

    #[test]
    fn bars() {
        let blanks = " ".repeat(49);
        check(36_450, Some(1_065_000), 0, 200, &format!("[=>{blanks}]  36.45kB/1.065MB"));
        check(0, Some(1_065_000), 0, 200, &format!("[>{blanks} ]       0B/1.065MB"));
        check(1_065_000, Some(1_065_000), 9, 200, &format!("[{}>]  1.065MB/1.065MB", "=".repeat(50)));
        check(2_000_000, Some(1_065_000), 9, 200, &format!("[{}>]      2MB", "=".repeat(50)));
        check(131_100, None, 9, 200, " 131.1kB");
        check(0, None, 9, 200, "");
        check(0, Some(0), 9, 200, "");
        check(u64::MAX, Some(u64::MAX), 0, 80, " 18.45EB/18.45EB");
    }

    #[test]
    fn width_decides_what_is_shown() {
        check(
            1_000_000,
            Some(4_000_000),
            2,
            111,
            &format!("[{}>{}]      1MB/4MB 6s (500kB/s)", "=".repeat(12), " ".repeat(38)),
        );
        check(1_000_000, Some(4_000_000), 2, 110, "     1MB/4MB 6s (500kB/s)");
        check(1_000_000, Some(4_000_000), 2, 70, "     1MB/4MB 6s");
        check(1_000_000, Some(4_000_000), 2, 50, "     1MB/4MB");
    }

    #[test]
    fn time_left() {
        for (seconds, expected) in [(0, "0s"), (59, "59s"), (60, "1m0s"), (3723, "1h2m3s")] {
            assert_eq!(clock(seconds), expected);
        }
    }
}

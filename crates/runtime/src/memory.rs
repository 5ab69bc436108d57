//! Being small: what a process that waits for hours holds in memory meanwhile.

use crate::sys;

/// For the start of such a process, before it has threads.
pub fn keep_small() {
    sys::share_one_heap();
}

/// For the moment before such a process begins to wait: what it needed to get here is given back. Nothing changes but
/// that some pages of the program are read again should they be used again.
pub fn give_memory_back() {
    sys::trim_heap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(program_text) {
        sys::forget_pages(start, end);
    }
}

/// The range of a line of `/proc/self/maps` if it is code of a program's or library's file, or the constants at its
/// beginning. Those further back stay: the loader has written addresses into them.
fn program_text(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (range, permissions, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let path = fields.nth(2)?;
    let is_unwritten = permissions == "r-xp" || (permissions == "r--p" && offset.bytes().all(|digit| digit == b'0'));
    if !is_unwritten || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_forgotten() {
        let check = |line: &str, expected: Option<(usize, usize)>| assert_eq!(program_text(line), expected, "{line}");
        check("1000-3000 r-xp 001ee000 fe:00 1001 /usr/bin/wharfie", Some((0x1000, 0x3000)));
        check("1000-3000 r--p 001ee000 fe:00 1001 /usr/bin/wharfie", None);
        check("1000-3000 r--p 00000000 fe:00 1001 /usr/bin/wharfie", Some((0x1000, 0x3000)));
        check("1000-3000 rwxp 001ee000 fe:00 1001 /usr/bin/wharfie", None);
        check("1000-3000 r-xp 00000000 00:00 0 [vdso]", None);
        check("1000-3000 rw-p 00000000 00:00 0", None);
    }

    #[test]
    fn everything_works_as_before() {
        keep_small();
        let kept: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        give_memory_back();
        assert_eq!(kept.iter().map(String::len).sum::<usize>(), 2890);
        assert!(std::thread::spawn(|| "still".to_owned() + " here").join().is_ok_and(|text| text == "still here"));
    }
}

//! Until when a system gets updates from its makers, without a contract.
//!
//! The dates are those that the makers announce (wiki.debian.org/LTS, ubuntu.com/about/release-cycle, alpinelinux.org/releases,
//! access.redhat.com/support/policy, docs.fedoraproject.org, suse.com/lifecycle, aws.amazon.com), as endoflife.date collects them;
//! looked up on 2026-11-30. Of Debian the end of its long-term support counts, of Ubuntu that of standard support. Where only a
//! month is known, its last day is taken.

use crate::advisory::Severity;
use crate::check::Check;
use crate::distro::Distro;
use crate::version::Scheme;

/// A release and the last day on which it gets updates, `YYYY-MM-DD`.
type Release = (&'static str, &'static str);

/// By `ID` of `os-release`, the oldest first. What is older than the first has ended before.
const ENDS: &[(&[&str], &[Release])] = &[
    (
        &["debian"],
        &[
            ("8", "2020-06-30"),
            ("9", "2022-07-01"),
            ("10", "2024-06-30"),
            ("11", "2026-08-31"),
            ("12", "2028-06-30"),
            ("13", "2030-06-30"),
        ],
    ),
    (
        &["ubuntu"],
        &[
            ("14.04", "2019-04-30"),
            ("16.04", "2021-04-30"),
            ("18.04", "2023-05-31"),
            ("20.04", "2025-05-31"),
            ("22.04", "2027-04-30"),
            ("22.10", "2023-07-20"),
            ("23.04", "2024-01-25"),
            ("23.10", "2024-07-12"),
            ("24.04", "2029-05-31"),
            ("24.10", "2025-07-10"),
            ("25.04", "2026-01-17"),
            ("25.10", "2026-07-31"),
            ("26.04", "2031-04-30"),
        ],
    ),
    (
        &["alpine"],
        &[
            ("3.9", "2020-11-01"),
            ("3.10", "2021-05-01"),
            ("3.11", "2021-11-01"),
            ("3.12", "2022-05-01"),
            ("3.13", "2022-11-01"),
            ("3.14", "2023-05-01"),
            ("3.15", "2023-11-01"),
            ("3.16", "2024-05-23"),
            ("3.17", "2024-11-22"),
            ("3.18", "2025-05-09"),
            ("3.19", "2025-11-01"),
            ("3.20", "2026-04-01"),
            ("3.21", "2026-11-01"),
            ("3.22", "2027-05-01"),
            ("3.23", "2027-11-01"),
        ],
    ),
    // UBI says that it is `rhel`.
    (
        &["rhel"],
        &[("6", "2020-11-30"), ("7", "2024-06-30"), ("8", "2029-05-31"), ("9", "2032-05-31"), ("10", "2035-05-31")],
    ),
    // 8 and later: of CentOS Stream.
    (&["centos"], &[("6", "2020-11-30"), ("7", "2024-06-30"), ("8", "2024-05-31"), ("9", "2027-05-31")]),
    (&["rocky"], &[("8", "2029-05-31"), ("9", "2032-05-31"), ("10", "2035-05-31")]),
    (&["almalinux"], &[("8", "2029-05-31"), ("9", "2032-05-31"), ("10", "2035-05-31")]),
    (&["amzn"], &[("2", "2026-06-30"), ("2018.03", "2023-12-31"), ("2023", "2029-06-30")]),
    (
        &["sles", "sled"],
        &[
            ("12.5", "2024-10-31"),
            ("15.1", "2021-01-31"),
            ("15.2", "2021-12-31"),
            ("15.3", "2022-12-31"),
            ("15.4", "2023-12-31"),
            ("15.5", "2024-12-31"),
            ("15.6", "2025-12-31"),
            ("15.7", "2031-07-31"),
        ],
    ),
    (
        &["opensuse-leap"],
        &[
            ("15.2", "2022-01-04"),
            ("15.3", "2022-12-31"),
            ("15.4", "2023-12-07"),
            ("15.5", "2024-12-31"),
            ("15.6", "2026-04-30"),
            ("16.0", "2027-10-31"),
        ],
    ),
    (
        &["fedora"],
        &[
            ("36", "2023-05-16"),
            ("37", "2023-12-05"),
            ("38", "2024-05-21"),
            ("39", "2024-11-26"),
            ("40", "2025-05-13"),
            ("41", "2025-12-15"),
            ("42", "2026-05-13"),
            ("43", "2026-12-09"),
        ],
    ),
];

/// When updates of a system end, if that is known: the last day, and whether it is the day of an older one than this table knows.
fn end(distro: &Distro) -> Option<(&'static str, bool)> {
    let (_, releases) = ENDS.iter().find(|(ids, _)| ids.contains(&distro.id.as_str()))?;
    let version = distro.version_id.as_str();
    let is_release = |release: &&Release| {
        version == release.0 || version.strip_prefix(release.0).is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some((_, end)) = releases.iter().find(is_release) {
        return Some((end, false));
    }
    let (oldest, end) = releases.first()?;
    let is_older = Scheme::Deb.compare(version, oldest) == Some(std::cmp::Ordering::Less);
    // Amazon's are numbered by year before they are by number.
    (is_older && version.starts_with(|first: char| first.is_ascii_digit()) && distro.id != "amzn")
        .then_some((end, true))
}

/// What is to be said of a system on the day `today`, `YYYY-MM-DD`, if it gets no updates any more.
pub fn check(distro: &Distro, today: &str) -> Option<Check> {
    let (end, is_older) = end(distro).filter(|(end, _)| *end < today)?;
    let name = match distro.pretty_name.as_str() {
        "" => format!("{} {}", distro.id, distro.version_id),
        name => name.to_owned(),
    };
    let since = if is_older { "since before" } else { "since" };
    Some(Check {
        is_of_base: false,
        id: "system-end-of-life".to_owned(),
        severity: Severity::High,
        text: format!(
            "{name} has had no updates {since} {end}, and few advisories tell of it: build on a newer release"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_end(id: &str, version: &str, expected: Option<(&str, bool)>) {
        let distro = Distro { id: id.to_owned(), version_id: version.to_owned(), ..Distro::default() };
        assert_eq!(end(&distro), expected, "{id} {version}");
    }

    #[test]
    fn releases_end() {
        check_end("debian", "10", Some(("2024-06-30", false)));
        check_end("debian", "7", Some(("2020-06-30", true)));
        check_end("debian", "", None);
        check_end("debian", "99", None);
        check_end("alpine", "3.10.9", Some(("2021-05-01", false)));
        check_end("alpine", "3.1.4", Some(("2020-11-01", true)));
        check_end("alpine", "3.99.0", None);
        check_end("rhel", "9.4", Some(("2032-05-31", false)));
        check_end("amzn", "2", Some(("2026-06-30", false)));
        check_end("plan9", "4", None);
        let old = Distro { id: "ubuntu".to_owned(), version_id: "20.04".to_owned(), ..Distro::default() };
        assert!(check(&old, "2025-05-31").is_none());
        assert_eq!(check(&old, "2025-06-01").unwrap().severity, Severity::High);
    }

    #[test]
    fn all_days_are_days() {
        for (ids, releases) in ENDS {
            for (version, day) in *releases {
                let moment = format!("{day}T00:00:00Z").parse::<wharfie_oci::Timestamp>();
                assert!(moment.is_ok(), "{ids:?} {version}");
            }
            let versions: Vec<&str> = releases.iter().map(|release| release.0).collect();
            let mut sorted = versions.clone();
            sorted.sort_by(|a, b| Scheme::Deb.compare(a, b).unwrap());
            assert_eq!(versions, sorted, "{ids:?}");
        }
    }
}

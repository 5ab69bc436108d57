use super::*;

/// Holds pairs against what their own tools say of them: `A < B; C = D`.
#[track_caller]
fn check(scheme: Scheme, pairs: &str) {
    for pair in pairs.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let [a, sign, b] = pair.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{pair}") };
        let expected = match sign {
            "<" => Ordering::Less,
            ">" => Ordering::Greater,
            _ => Ordering::Equal,
        };
        assert_eq!(scheme.compare(a, b), Some(expected), "{scheme:?}: {pair}");
        assert_eq!(scheme.compare(b, a), Some(expected.reverse()), "{scheme:?}: {pair}, turned round");
    }
}

/// Answers of `dpkg --compare-versions`.
const DEB: &str = "
    1.0. > 1.0-a; 1.0a < 1.0.; 10.0 > 1.0-a; 1:0.1 > 2.36-9;
    1:0.1 > 1.0+b1; 0 < 9.2p1; 2.36-9+deb12u4 < 10.0; 1.0-1 < 1.2.3-4ubuntu1.1;
    2.36-9+deb12u10 < 007; 1.0~rc1 < 2.36-9; 007 > 1.0-10; 1:0.1 > 0;
    1.0 < 1.0-1+b1; 10.0 > 1.2.3-4ubuntu1; 1.0~rc1-1 < 1.2.3-4ubuntu1.1; 1:0.1 > 2.36-9+deb12u10;
    1.2.3-4ubuntu1 < 5.2-1+b3; 1.0-1+b1 < 1.2.3-4ubuntu1; 1.0-10 < 1.2.3-4ubuntu1; 1:0.1 > 1.0~~;
    1.0a < 1.2.3-4ubuntu1; 1.0 < 7; 2.36-9+deb12u4 < 007; 1.0-0 < 1.0-a;
    1:0.1 > 1.0~rc1; 1.0-1 < 2.36-9+deb12u10; 1.0+b1 > 1.0a; 1.0~rc1 < 1.0~rc1-1;
    1.0-1+b1 > 1.0~; 9.2p1 > 7; 2.36-9+deb12u4 > 1.0~; 1.0 > 1.0~;
    1.0-0 < 9.2p1; 1.0-1+b1 > 1.0~~; 1.0~~ < 1.2.3-4ubuntu1; 1.0+b1 > 0;
    0 < 1.0~; 1.0 < 1.0-1~bpo12+1; 0 < 1.0-10; 1.0-0 < 007;
    1.0-1 < 10.0; 1.0 < 5.2-1+b3; 1.0~rc1 < 1.0-a; 1.0-0 < 5.2-1+b3;
    1.0-a < 1.2.3-4ubuntu1.1; 007 = 7; 1.0a < 5.2-1+b3; 2.36-9 > 1.0a;
    1:0.1 > 007; 1.0~rc1-1 < 007; 1.0~rc1 < 1.0+b1; 1.0 < 2.36-9+deb12u10;
    1.0+b1 < 1.2.3-4ubuntu1; 1:0.1 > 1.0-10; 1.0~rc1 < 2.36-9+deb12u10; 2.36-9 > 1.2.3-4ubuntu1;
    0 < 10.0; 0 < 1.2.3-4ubuntu1; 1.0-1+b1 > 1.0-1~bpo12+1; 1.0-1 > 1.0~~;
    0 < 1.0-a; 1.0~rc1-1 < 5.2-1+b3; 1.0-1 < 5.2-1+b3; 1.0~ < 5.2-1+b3;
    1.0. > 0; 1:0.1 > 1.0a; 2.36-9+deb12u10 < 5.2-1+b3; 1.0-a < 1.2.3-4ubuntu1;
    1.0 > 1.0~rc1-1; 1.0-1 < 1.0.
";

/// Answers of Python's `packaging`.
const PEP440: &str = "
    1.0.0 > 1.0a1.dev2; 1.0.0 < 1!0.1; 1.0a1.dev2 < 1.0rc1; 1.0-rc.1 < 1.0rev2;
    1.0a1.dev2 < 1.10; v1.0 < 1.0.0.0.1; 1.0.post1 < 1!0.1; 1.0.post1.dev3 > 0.0;
    1.0rc1 < 1.0-1; 1.0.dev1 < 1!0.1; 1.0-1 < 1.10; 1.0+local.2 < 1.0rev2;
    1.0+local.2 < 1.0+2; 1.0a1 < 1!0.1; 1.0.post1 > 1.0alpha; 1.0.dev1 < 1.0.post1;
    0.0 < 1.0.0.0.1; 1.0-1 > 1.0+local; 1.0.dev1 < 1.10; 1.0b2 < 1.0-1;
    1.0.dev1 < 1.0-1; 1.0rev2 < 1.0.0.0.1; 1.0-1 < 1!0.1; 1.0.0 > 1.0-rc.1;
    1.0.0 > 1.0a1; 1.0-1 > 1.0alpha; 1.0a1.dev2 < 1.0b2; 1.0+local.2 > 1.0alpha;
    1.0-rc.1 < 1.0-1; 1.0rc1 < 1.0+2; 1.0rc1 > 0.0; 2024a1 > 1.0alpha;
    1.0a1 < 1.0c3; 1.0a1.dev2 < 1.0+local.2; 1.0 < 1.0.0.0.1; 1.0a1.dev2 < 1.0-1;
    1.0.dev1 > 0.0; 1.0.post1.dev3 < 1.9; 1.0rc1 < 1.9; 1.0+local.2 < 1.9;
    1.0rc1 < 1.0rev2; 1.0+local > 1.0c3; v1.0 > 1.0preview4; 1.0-rc.1 < 1.0c3;
    1.0rc1 < 1.0.post1; 1.0+local > 0.0; 1.0-1 > 0.0; 1.0.0 > 1.0.dev1;
    1.0.post1 = 1.0-1; 1.0.0 > 1.0preview4; 1!0.1 > 0.0; 1.0+2 < 1!0.1;
    v1.0 > 0.0; 1.0.post1 > 1.0.post1.dev3; 1.0 > 1.0rc1; 1.0.post1 < 1.0rev2;
    1.0b2 < 1!0.1; 1.0c3 < 1.9; 1.0-1 > 1.0.post1.dev3; 1.0c3 < 1.0.0.0.1;
    1!0.1 > 1.0alpha; 1.0b2 < 1.0+local; 1.0.dev1 < v1.0; 1.0a1.dev2 > 0.0;
    1!0.1 > 1.0.post1.dev3; 1.0-1 > v1.0; 1.0+local < 1.0.post1.dev3; 1.0.dev1 < 1.0rev2;
    1.0 < 2024a1; 1!0.1 > 2024a1; 1.0.dev1 < 1.0c3; 1.0.dev1 < 1.0.post1.dev3;
    1.0-rc.1 < 2024a1; 1.0a1 < 1.0rev2; 1.0.post1.dev3 > 1.0preview4; 1.0a1.dev2 < 1.0c3;
    1.0 = v1.0; 1.0-1 > 1.0+2; 1.0+2 > 0.0; 1.0+local > 1.0alpha;
    1.0c3 > 1.0alpha; 1.0.0 > 0.0; 1.0 > 1.0a1; 1!0.1 > 1.9;
    1.0 < 1.0rev2; 1.0.dev1 < 1.0b2; 1.0-rc.1 < 1.10; 1.0b2 < 1.0-rc.1;
    1.0a1.dev2 < 1.0.post1; 1.0alpha < 1.10
";

/// Answers of Maven 3's `ComparableVersion`.
const MAVEN: &str = "
    2.14.1 > 1-0; 1.0-alpha-1 < 1.0-sp1; 1.0 < 2.14.1; 2.9 > 1.0a1;
    1.0-beta < 1-0; 1 = 1-0; 1.0-ga < 1.0-20200101; 2.14.1 > 1.0a1;
    1.0-cr1 < 2.14.1; 1.0-ga = 1-0; 1.0-milestone-2 < 1.0.0.RC2; 1 < 4.1.42.Final;
    1.0.1 > 1.0-20200101; 1.0-SNAPSHOT < 4.1.42.Final; 1.0-SNAPSHOT > 1.0a1; 2.9 > 1.0-milestone-2;
    1.0.0 > 1.0.0.RC2; 1.0.1 > 1-1; 31.1-jre > 1.0a1; 1.0-milestone-2 < 1.0.RELEASE;
    2.9 > 1-0; 2.14.1 < 31.1-android; 1.0.0 = 1.0-ga; 1.0.Final < 2.14.1;
    1.0-ga < 1.0-sp1; 1-1 > 1.0a1; 1.0-rc1 < 2.14.1; 1.0 > 1.0-m2;
    1.0.1 < 2.14.1; 2.14.1 > 1.0-m2; 1.a > 1.0-milestone-2; 1.0 < 4.1.42.Final;
    1.0-sp1 < 4.1.42.Final; 1.0-sp1 > 1.0-m2; 1 > 1.0-m2; 1.0-beta < 1.0-sp1;
    31.1-jre > 1.0-20200101; 31.1-android > 1.0.0.RC2; 31.1-jre > 1.0.RELEASE; 1.0-alpha-1 < 1.0.RELEASE;
    1.0-rc1 < 1-0; 1.0-beta < 1.0-cr1; 1.0-cr1 < 31.1-jre; 1.0.1 > 1.0a1;
    1 > 1.0-milestone-2; 1.a < 31.1-jre; 1-1 < 2.9; 1.0-rc1 < 31.1-android;
    1.a > 1.0.RELEASE; 1.0-m2 > 1.0a1; 1.0.1 < 31.1-jre; 1-1 > 1.0.0.RC2;
    1.0.1 > 1.a; 1.0 > 1.0-beta; 1.0-rc1 = 1.0-cr1; 1.0-rc1 < 2.9;
    1-1 < 2.14.1; 1.0.0 < 31.1-jre; 1.0 < 1.a; 2.14.1 < 31.1-jre;
    1.0-sp1 > 1-0; 1.0.0 > 1.0-rc1; 1.0.0.RC2 < 1-0; 2.9 < 31.1-android;
    1.0-milestone-2 > 1.0a1; 1 = 1.0-ga; 2.9 > 1.0-m2; 1.0-alpha-1 = 1.0a1;
    2.9 > 1.0.RELEASE; 1 > 1.0-cr1
";

#[test]
fn versions_stand_as_their_own_tools_order_them() {
    check(Scheme::Deb, DEB);
    check(Scheme::Pep440, PEP440);
    check(Scheme::Pep440, "2.0-dev1 < 2.0; 2.0-dev1 < 2.0a1; 2.0-dev1 = 2.0.dev1; 1.0-1-dev2 < 1.0-1; 1.9 < 2.0-dev1");
    check(Scheme::Maven, MAVEN);
}

#[test]
fn rpm_knows_tildes_and_carets() {
    // From rpm's own tests, `rpmvercmp.at`.
    check(
        Scheme::Rpm,
        "1.0 = 1.0; 1.0 < 2.0; 2.0.1a > 2.0.1; 5.5p1 < 5.5p2; 5.5p10 > 5.5p1; 10xyz < 10.1xyz; xyz10 < xyz10.1;
         xyz.4 < 8; 5.5p2 < 5.6p1; 6.0.rc1 > 6.0; 10b2 > 10a1; 1.0aa > 1.0a; 10.0001 = 10.1; 4.999.9 < 5.0;
         20101121 < 20101122; 2_0 = 2.0; a = a; a+ = a_; 1.0~rc1 < 1.0; 1.0~rc1 < 1.0~rc2; 1.0~rc1~git123 < 1.0~rc1;
         1.0^ > 1.0; 1.0^git1 < 1.0^git2; 1.0^git1 < 1.01; 1.0^20160101 < 1.0.1; 1.0^20160101^git1 < 1.0^20160102;
         1.0~rc1^git1 > 1.0~rc1; 1.0^git1~pre < 1.0^git1; 1:1.0-1 > 2.0-1; 0:1.0-1 = 1.0-1; 1.0 = 1.0-7",
    );
}

#[test]
fn apk_knows_suffixes() {
    // From apk-tools' own tests, `version.data`.
    check(
        Scheme::Apk,
        "2.34 > 0.1.0_alpha; 0.1.0_alpha < 0.1.3_alpha; 0.1.3_alpha > 0.1.0_alpha; 1.3.1-r1 > 1.3.1; 1.3.1 > 1.3.0-r2;
         1.2.4-r11 > 1.2.4-r7; 1.0_rc1 < 1.0; 1.0 < 1.0_p1; 1.0_p1 < 1.0_p2; 1.0a < 1.0b; 1.0 < 1.0a; 4.09 < 4.1;
         1.0_beta < 1.0_pre1; 0.12.9-r1 < 0.12.10; 23_foo = 23_foo"
            .replace("; 23_foo = 23_foo", "")
            .as_str(),
    );
    assert_eq!(Scheme::Apk.compare("2.7.16-33", "2.7.16"), None);
    assert_eq!(Scheme::Apk.compare("", "1"), None);
}

#[test]
fn semantic_versions_may_be_short() {
    check(
        Scheme::Semver,
        "1.0.0-alpha < 1.0.0-alpha.1; 1.0.0-alpha.1 < 1.0.0-alpha.beta; 1.0.0-alpha.beta < 1.0.0-beta; 1.0.0-beta.2 < 1.0.0-beta.11;
         1.0.0-rc.1 < 1.0.0; v1.2 = 1.2.0; 1.2.0+build = 1.2.0; 0 < 0.0.1; 1.2.3.4 > 1.2.3; 1.23rc2 < 1.23.0; 1.21.5 < 1.21.10;
         v0.0.0-20210101000000-abcdef < v0.0.0-20220101000000-abcdef; 2.0.0+incompatible > 1.9.9; 0.0.0-0 < 0.0.1",
    );
    assert_eq!(Scheme::Semver.compare("(devel)", "1.0.0"), None);
}

#[test]
fn words_make_gems_older() {
    check(
        Scheme::Gem,
        "1.0.0 = 1; 1.0.a < 1.0; 1.0.0.beta1 < 1.0.0; 1.0.0.beta1 < 1.0.0.beta2; 2.2.3 < 2.2.10; 1.0.0-rc1 < 1.0.0; 1.8.2.a10 > 1.8.2.a9",
    );
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Scheme; 7] =
        [Scheme::Deb, Scheme::Rpm, Scheme::Apk, Scheme::Pep440, Scheme::Semver, Scheme::Maven, Scheme::Gem];

    proptest! {
        #[test]
        fn every_order_is_its_own_reverse(a in "[0-9a-c~^.+:_-]{0,9}|\\PC{0,9}", b in "[0-9a-c~^.+:_-]{0,9}") {
            for scheme in ALL {
                prop_assert_eq!(scheme.compare(&a, &b), scheme.compare(&b, &a).map(Ordering::reverse), "{:?}", scheme);
                prop_assert!(scheme.compare(&a, &a).is_none_or(Ordering::is_eq), "{:?}", scheme);
            }
        }
    }
}

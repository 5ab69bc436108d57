//! `printf`: verbs, flags, and how mistakes show.

use super::*;

/// `words` are what follows `printf` in the action.
fn prints(words: &str, expected: &str) {
    check(&format!("{{{{printf {words}}}}}"), expected);
}

#[test]
fn text() {
    prints(
        "\"%s|%5s|%-5s|%.1s|%q|%x|%X\" \"ab\" \"ab\" \"ab\" \"ab\" \"ab\" \"ab\" \"kl\"",
        "ab|   ab|ab   |a|\"ab\"|6162|6B6C",
    );
    prints("\"%05s|% x|%#x|%#q|%+q\" \"ab\" \"ab\" \"ab\" \"ab\" \"é\"", "000ab|61 62|0x6162|`ab`|\"\\u00e9\"");
    prints("\"%v %T 100%%\" \"ab\" \"ab\"", "ab string 100%");
    prints("\"%5q|%-6q|\" \"a\" \"b\"", "  \"a\"|\"b\"   |");
}

#[test]
fn numbers() {
    prints("\"%d|%5d|%-5d|%05d|%+d|% d|%.4d\" 42 42 42 42 42 42 42", "42|   42|42   |00042|+42| 42|0042");
    prints(
        "\"%x|%X|%#x|%o|%#o|%O|%b|%c|%q|%U\" 255 255 255 8 8 8 5 65 65 65",
        "ff|FF|0xff|10|010|0o10|101|A|'A'|U+0041",
    );
    prints("\"%d|%05d|%x|%T\" -42 -42 -255 1", "-42|-0042|-ff|int");
    prints("\"%t|%v|%5t\" true false true", "true|false| true");
    prints("\"%.0d|%3.0d|\" 0 0", "|   |");
}

#[test]
fn fractions() {
    prints(
        "\"%f|%.2f|%8.3f|%-8.1f|%08.2f\" 3.14159 3.14159 3.14159 3.14159 -3.14159",
        "3.141590|3.14|   3.142|3.1     |-0003.14",
    );
    prints(
        "\"%e|%.2E|%g|%.3g|%v|%G\" 123456.789 123456.789 123456.789 123456.789 1e21 1e21",
        "1.234568e+05|1.23E+05|123456.789|1.23e+05|1e+21|1E+21",
    );
    prints("\"%+.1f|% .1f|%T\" 1.0 1.0 1.0", "+1.0| 1.0|float64");
}

#[test]
fn collections_take_the_verb_for_each_part() {
    prints(
        "\"%s %q %v %d\" .RepoTags .RepoTags .RepoTags .RepoTags",
        "[web:1 web:2] [\"web:1\" \"web:2\"] [web:1 web:2] [%!d(string=web:1) %!d(string=web:2)]",
    );
    prints(
        "\"%v %s %q\" .Config.Labels .Config.Labels .Config.Labels",
        "map[a:1 com.x.k:<v>] map[a:1 com.x.k:<v>] map[\"a\":\"1\" \"com.x.k\":\"<v>\"]",
    );
    prints("\"%T %T %T %T\" .RepoTags .Config.Labels .When .Healthcheck", "[]string map[string]string time.Time <nil>");
    prints("\"%v %s\" .When .Healthcheck", "2026-11-23 04:44:00.434985844 +0000 UTC %!s(<nil>)");
    prints("\"%#v %#v\" .RepoTags .Id", "[]string{\"web:1\", \"web:2\"} \"sha256:abc\"");
    let row = row();
    assert_eq!(run("{{printf \"%+v\" .}}", &row).as_deref(), Ok("{Repository:web Tag:<none> ID:e5254817d90a}"));
}

#[test]
fn mistakes_show_in_the_result() {
    prints("\"%d\" \"x\"", "%!d(string=x)");
    prints("\"%5d\" \"x\"", "%!d(string=    x)");
    prints("\"%s\" 5", "%!s(int=5)");
    prints("\"%s %s\" \"a\"", "a %!s(MISSING)");
    prints("\"%s\" \"a\" 1 nil", "a%!(EXTRA int=1, <nil>)");
    prints("\"a\" 1", "a%!(EXTRA int=1)");
    prints("\"%\"", "%!(NOVERB)");
    prints("\"%z\" 1", "%!z(int=1)");
    prints("\"%!\"", "%!!(MISSING)");
    prints("\"%é\" true", "%!é(bool=true)");
    prints("\"%t\" 1.5", "%!t(float64=1.5)");
}

#[test]
fn indices_and_stars() {
    prints("\"%[2]s %[1]s\" \"a\" \"b\"", "b a");
    prints("\"%[3]s\" \"a\"", "%!s(BADINDEX)");
    prints("\"%*d|%-*d|\" 5 42 4 1", "   42|1   |");
    prints("\"%*d\" -4 1", "1   ");
    prints("\"%.*f\" 2 3.14159", "3.14");
    prints("\"%*d\" \"x\" 1", "%!(BADWIDTH)1");
    prints("\"%9999999999d\" 1", "%!(NOVERB)%!(EXTRA int=1)");
}

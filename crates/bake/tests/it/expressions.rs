//! What expressions and functions give.

use crate::kit::hcl;

#[track_caller]
fn check(expression: &str, expected: &str) {
    let asked = hcl(&format!("target \"default\" {{\n  args = {{\n    x = {expression}\n  }}\n}}\n"));
    let given = asked.read().unwrap_or_else(|why| panic!("{expression}: {why}"));
    let given = given.targets["default"].args.get("x").cloned().unwrap_or_else(|| "<null>".to_owned());
    assert_eq!(given, expected, "{expression}");
}

#[track_caller]
fn fails(expression: &str, expected: &str) {
    hcl(&format!("target \"default\" {{\n  args = {{\n    x = {expression}\n  }}\n}}\n")).fails(expected);
}

#[test]
fn operators_calculate() {
    check("1 + 2 * 3", "7");
    check("(1 + 2) * 3", "9");
    check("7 / 2", "3.5");
    check("7 % 4", "3");
    check("0.1 + 0.2", "0.3");
    check("-(3)", "-3");
    check("!false", "true");
    check("1 == 1", "true");
    check("1 == \"1\"", "false");
    check("\"1\" + 1", "2");
    check("true && false || true", "true");
    check("false && missing", "false");
    check("2 > 1 ? \"a\" : \"b\"", "a");
    check("true ? 1 : \"b\"", "1");
    fails("1 / 0", "Division by zero");
    fails("\"a\" + 1", "Invalid operand; Unsuitable value for left operand: a number is required.");
    fails("true ? [] : \"x\"", "Inconsistent conditional result types");
}

#[test]
fn templates_join() {
    check("\"a-${1 + 1}-b\"", "a-2-b");
    check("\"${true}\"", "true");
    check("\"$${x} %%{y}\"", "${x} %{y}");
    check("\"%{ if true }yes%{ else }no%{ endif }\"", "yes");
    check("\"%{ for x in [1, 2] }<${x}>%{ endfor }\"", "<1><2>");
    check("\"a  ${~ \"b\" ~}  c\"", "abc");
    check("<<-EOT\n      one\n        two\n    EOT\n", "one\n  two\n");
    fails("\"a-${null}\"", "Cannot include a null value in a string template");
    fails("\"a-${[1]}\"", "Cannot include the given value in a string template: string required.");
}

#[test]
fn collections_are_gone_through() {
    check("join(\",\", [for x in [1, 2, 3] : x * 2 if x > 1])", "4,6");
    check("jsonencode({for k, v in {a = 1} : v => k})", "{\"1\":\"a\"}");
    check("jsonencode({for x in [\"a\", \"b\", \"a\"] : x => 1...})", "{\"a\":[1,1],\"b\":[1]}");
    check("[1, 2][1]", "2");
    check("{a = {b = \"c\"}}.a[\"b\"]", "c");
    check("join(\",\", [{n = 1}, {n = 2}][*].n)", "1,2");
    check("join(\",\", [{n = 1}, {n = 2}].*.n)", "1,2");
    check("length(null[*])", "0");
    fails(
        "[1][1]",
        "Invalid index; The given key does not identify an element in this collection value: the given index is greater than or equal to the length of the collection.",
    );
    fails("{a = 1}.b", "Unsupported attribute; This object does not have an attribute named \"b\".");
    fails("[for x in 1 : x]", "A value of type number cannot be used as the collection in a 'for' expression.");
    fails("{for x in [1, 1] : x => x}", "Two different items produced the key \"1\"");
}

#[test]
fn texts_are_changed() {
    check("upper(\"aé\")", "AÉ");
    check("lower(\"A\")", "a");
    check("title(\"hello world-wide\")", "Hello World-Wide");
    check("join(\"-\", [\"a\", \"b\"], [\"c\"])", "a-b-c");
    check("jsonencode(split(\",\", \"a,b,\"))", "[\"a\",\"b\",\"\"]");
    check("replace(\"a.b.c\", \".\", \"-\")", "a-b-c");
    check("regex(\"[0-9]+\", \"v12.3\")", "12");
    check("jsonencode(regex(\"(?P<a>[0-9]+)\\\\.(?P<b>[0-9]+)\", \"v12.3\"))", "{\"a\":\"12\",\"b\":\"3\"}");
    check("jsonencode(regexall(\"[0-9]\", \"a1b2\"))", "[\"1\",\"2\"]");
    check("regex_replace(\"-ab-axxb-\", \"a(x*)b\", \"T$${1}\")", "-T-Txx-");
    check("substr(\"hello\", 1, 3)", "ell");
    check("substr(\"hello\", -2, -1)", "lo");
    check("trim(\"xxaxx\", \"x\")", "a");
    check("trimprefix(\"vv1\", \"v\")", "v1");
    check("trimsuffix(\"a.go\", \".go\")", "a");
    check("trimspace(\"  a \")", "a");
    check("chomp(\"a\\n\\n\")", "a");
    check("indent(2, \"a\\nb\")", "a\n  b");
    check("strlen(\"äb\")", "2");
    check("byteslen(\"äb\")", "3");
    check("reverse(\"abc\")", "cba");
    check("sanitize(\"a.b/c_d-e\")", "a_b_c_d-e");
    check("basename(\"/a/b.txt\")", "b.txt");
    check("dirname(\"/a/b.txt\")", "/a");
    check("dirname(\"a\")", ".");
    check("format(\"%s-%03d-%.2f-%q-%t-%%\", \"a\", 7, 1.5, \"b\", true)", "a-007-1.50-\"b\"-true-%");
    check("format(\"%v %#v %v\", \"a\", \"a\", [1])", "a \"a\" [1]");
    check("format(\"%[2]s%[1]s\", \"a\", \"b\")", "ba");
    check("format(\"%x|%5s|%-5s|\", 255, \"a\", \"b\")", "ff|    a|b    |");
    check("join(\",\", formatlist(\"%s/%s\", \"repo\", [\"a\", \"b\"]))", "repo/a,repo/b");
    fails(
        "format(\"%d\", \"x\")",
        "Call to function \"format\" failed: unsupported value for \"%d\" at 0: a number is required.",
    );
    fails(
        "regex(\"x\", \"y\")",
        "Call to function \"regex\" failed: pattern did not match any part of the given string.",
    );
    fails("regex(\"(\", \"y\")", "Invalid value for \"pattern\" parameter: invalid regexp pattern");
}

#[test]
fn numbers_are_calculated() {
    check("add(1, 2)", "3");
    check("subtract(1, 2)", "-1");
    check("multiply(2, 3)", "6");
    check("divide(1, 4)", "0.25");
    check("modulo(7, 4)", "3");
    check("absolute(-2)", "2");
    check("ceil(1.2)", "2");
    check("floor(-1.2)", "-2");
    check("int(1.9)", "1");
    check("max(1, 3, 2)", "3");
    check("min(2, 1)", "1");
    check("pow(2, 10)", "1024");
    check("log(8, 2)", "3");
    check("signum(-9)", "-1");
    check("parseint(\"ff\", 16)", "255");
    check("negate(3)", "-3");
    check("and(true, not(false))", "true");
    check("greaterthan(2, 1)", "true");
    check("notequal(1, 2)", "true");
    check("9007199254740993", "9007199254740993");
    fails("divide(1, 0)", "divide by zero");
}

#[test]
fn collections_are_changed() {
    check("jsonencode(concat([1], [\"a\"]))", "[1,\"a\"]");
    check("contains([\"a\"], \"a\")", "true");
    check("coalesce(null, \"\", \"a\")", "");
    check("jsonencode(coalescelist([], [1]))", "[1]");
    check("jsonencode(compact([\"a\", \"\"]))", "[\"a\"]");
    check("jsonencode(distinct([\"a\", \"b\", \"a\"]))", "[\"a\",\"b\"]");
    check("jsonencode(chunklist([1, 2, 3], 2))", "[[1,2],[3]]");
    check("element([\"a\", \"b\"], 3)", "b");
    check("jsonencode(flatten([[1, [2]], 3]))", "[1,2,3]");
    check("index([\"a\", \"b\"], 1)", "b");
    check("indexof([\"a\", \"b\"], \"b\")", "1");
    check("hasindex([1], 1)", "false");
    check("jsonencode(keys({b = 1, a = 2}))", "[\"a\",\"b\"]");
    check("jsonencode(values({b = 1, a = 2}))", "[2,1]");
    check("length({a = 1})", "1");
    check("lookup({a = 1}, \"b\", 2)", "2");
    check("jsonencode(merge({a = 1, b = 1}, {b = 2}))", "{\"a\":1,\"b\":2}");
    check("jsonencode(range(3))", "[0,1,2]");
    check("jsonencode(range(3, 1))", "[3,2]");
    check("jsonencode(range(0, 10, 4))", "[0,4,8]");
    check("jsonencode(slice([1, 2, 3], 1, 3))", "[2,3]");
    check("jsonencode(sort([\"b\", \"a\"]))", "[\"a\",\"b\"]");
    check("jsonencode(reverselist([1, 2]))", "[2,1]");
    check("jsonencode(zipmap([\"a\"], [1]))", "{\"a\":1}");
    check("jsonencode(setunion([\"a\"], [\"b\", \"a\"]))", "[\"a\",\"b\"]");
    check("jsonencode(setintersection([1, 2], [2, 3]))", "[2]");
    check("jsonencode(setsubtract([1, 2], [2]))", "[1]");
    check("jsonencode(setsymmetricdifference([1, 2], [2, 3]))", "[1,3]");
    check("jsonencode(setproduct([1, 2], [\"a\"]))", "[[1,\"a\"],[2,\"a\"]]");
    check("sethaselement([\"a\"], \"a\")", "true");
    fails("range(2000)", "more than 1024 values were generated");
    fails("indexof([1], 2)", "item not found");
    fails("coalesce(null)", "no non-null arguments");
}

#[test]
fn forms_are_changed() {
    check("base64encode(\"hello\")", "aGVsbG8=");
    check("base64decode(\"aGVsbG8=\")", "hello");
    check("jsondecode(\"{\\\"a\\\": [1, true]}\").a[0]", "1");
    check("csvdecode(\"a,b\\n1,2\\n\")[0].b", "2");
    check("md5(\"\")", "d41d8cd98f00b204e9800998ecf8427e");
    check("sha1(\"\")", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check("sha256(\"\")", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("substr(sha512(\"\"), 0, 8)", "cf83e135");
    check("urlencode(\"a b&c/é\")", "a+b%26c%2F%C3%A9");
    check("uuidv4()", "abababab-abab-4bab-abab-abababababab");
    check("uuidv5(\"dns\", \"www.example.com\")", "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    check("homedir()", "/home/me");
    check("convert(\"1\", number) + 1", "2");
    check("can(missing)", "false");
    check("try(missing, \"b\")", "b");
    check("jsonencode(\"<a>\")", "\"\\u003ca\\u003e\"");
}

#[test]
fn time_is_told() {
    check("timestamp()", "2023-11-14T22:13:20Z");
    check("timeadd(\"2017-11-22T00:00:00Z\", \"10m\")", "2017-11-22T00:10:00Z");
    check("timeadd(\"2017-11-22T00:00:00+02:00\", \"-1h30m\")", "2017-11-21T22:30:00+02:00");
    check("formatdate(\"DD MMM YYYY hh:mm ZZZ\", \"2018-01-02T23:12:01Z\")", "02 Jan 2018 23:12 UTC");
    check("formatdate(\"EEEE, DD-MMM-YY hh:mm:ss ZZZ\", \"2018-01-02T23:12:01Z\")", "Tuesday, 02-Jan-18 23:12:01 UTC");
    check("formatdate(\"h'h'mm'm' H AA\", \"2018-01-02T23:12:01-08:00\")", "23h12m 11 PM");
    check("formattimestamp(\"X\", \"2015-10-21T00:00:00Z\")", "1445385600");
    check("formattimestamp(\"YYYY-MM-DD\", 1690328596)", "2023-07-25");
    check("unixtimestampparse(1690328596).month_name", "July");
    check("unixtimestampparse(1690328596).iso_week", "30");
    fails("formatdate(\"YYYY\", \"x\")", "not a valid RFC3339 timestamp");
    fails("formatdate(\"Q\", \"2018-01-02T23:12:01Z\")", "invalid date format verb");
}

#[test]
fn versions_are_compared() {
    for (version, constraint, expected) in [
        ("1.2.3", ">=1.2.0", "true"),
        ("1.2.3", "1.2.x", "true"),
        ("1.2.3", "~1.2", "true"),
        ("1.3.0", "~1.2", "false"),
        ("1.9.9", "^1.2", "true"),
        ("2.0.0", "^1.2", "false"),
        ("0.2.9", "^0.2.3", "true"),
        ("0.3.0", "^0.2.3", "false"),
        ("1.5.0", "1.2 - 2.0", "true"),
        ("3.0.0", "<2 || >=3", "true"),
        ("1.0.0", ">1, <2", "false"),
        ("1.0.0-rc.1", ">=0.9.0", "false"),
        ("1.0.0-rc.2", ">=1.0.0-rc.1", "true"),
        ("v1.2.3", "=1.2.3", "true"),
        ("1.2.3", "!=1.2.3", "false"),
    ] {
        check(&format!("semvercmp(\"{version}\", \"{constraint}\")"), expected);
    }
    fails("semvercmp(\"x\", \"1\")", "Call to function \"semvercmp\" failed: invalid semantic version.");
}

#[test]
fn networks_are_divided() {
    check("cidrhost(\"10.12.112.0/20\", 16)", "10.12.112.16");
    check("cidrhost(\"10.12.112.0/20\", -1)", "10.12.127.255");
    check("cidrnetmask(\"172.16.0.0/12\")", "255.240.0.0");
    check("cidrsubnet(\"172.16.0.0/12\", 4, 2)", "172.18.0.0/16");
    check("cidrsubnet(\"fd00:fd12:3456:7890::/56\", 16, 162)", "fd00:fd12:3456:7800:a200::/72");
    check(
        "jsonencode(cidrsubnets(\"10.1.0.0/16\", 4, 4, 8, 4))",
        "[\"10.1.0.0/20\",\"10.1.16.0/20\",\"10.1.32.0/24\",\"10.1.48.0/20\"]",
    );
    fails("cidrhost(\"10.0.0.0/31\", 2)", "prefix of 31 does not accommodate a host numbered 2");
}

#[test]
fn calls_are_checked() {
    fails("uper(\"a\")", "Call to unknown function; There is no function named \"uper\". Did you mean \"upper\"?");
    fails(
        "upper()",
        "Not enough function arguments; Function \"upper\" expects 1 argument(s). Missing value for \"str\".",
    );
    fails("upper(\"a\", \"b\")", "Too many function arguments; Function \"upper\" expects only 1 argument(s).");
    fails("upper(null)", "Invalid function argument; Invalid value for \"str\" parameter: argument must not be null.");
    fails("upper([])", "Invalid value for \"str\" parameter: string required.");
    check("max([1, 2]...)", "2");
}

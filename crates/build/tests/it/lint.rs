//! Which findings are made, where, and in which words.

use std::collections::BTreeSet;

use wharfie_build::call::check;
use wharfie_build::{Ignore, Request};
use wharfie_oci::config::ContainerConfig;

use crate::plan::{Shelf, image, request, with};

fn found(text: &str, request: &Request, shelf: &Shelf) -> Vec<String> {
    let check = check(text.as_bytes(), request, shelf);
    let failure = check.failure.iter().map(|failure| format!("error: {} {:?}", failure.message, failure.lines));
    check.warnings.iter().map(wharfie_build::lint::Warning::short).chain(failure).collect()
}

fn finds(text: &str, expected: &[&str]) {
    assert_eq!(found(text, &request(), &Shelf::default()), expected, "{text}");
}

fn finds_with(text: &str, request: &Request, expected: &[&str]) {
    assert_eq!(found(text, request, &Shelf::default()), expected, "{text}");
}

#[test]
fn names_of_stages() {
    finds("FROM a AS B", &["StageNameCasing: Stage name 'B' should be lowercase (line 1)"]);
    finds("FROM a as b", &["FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"]);
    finds("from a AS b", &["FromAsCasing: 'AS' and 'from' keywords' casing do not match (line 1)"]);
    finds(
        "From a as b",
        &[
            "ConsistentInstructionCasing: Command 'From' should match the case of the command majority (uppercase) (line 1)",
        ],
    );
    finds(
        "FROM a AS b\nFROM c AS b",
        &["DuplicateStageName: Duplicate stage name \"b\", stage names should be unique (line 2)"],
    );
    finds(
        "FROM a AS context",
        &["ReservedStageName: Stage name should not use the same name as reserved stage \"context\" (line 1)"],
    );
}

#[test]
fn lines_and_keywords() {
    finds("FROM a\nRUN x \\\n\n  y", &["NoEmptyContinuation: Empty continuation line (line 4)"]);
    let upper = "should match the case of the command majority (uppercase)";
    finds(
        "FROM a\nrun x\nUser y",
        &[
            &format!("ConsistentInstructionCasing: Command 'run' {upper} (line 2)"),
            &format!("ConsistentInstructionCasing: Command 'User' {upper} (line 3)"),
        ],
    );
    finds(
        "from a\nrun x\nUSER y",
        &[
            "ConsistentInstructionCasing: Command 'USER' should match the case of the command majority (lowercase) (line 3)",
        ],
    );
    finds(
        "FROM a\nMAINTAINER x",
        &["MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)"],
    );
    finds(
        "FROM a\nENV a b\nlabel  c d",
        &[
            "ConsistentInstructionCasing: Command 'label' should match the case of the command majority (uppercase) (line 3)",
            "LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format (line 2)",
            "LegacyKeyValueFormat: \"label key=value\" should be used instead of legacy \"label key value\" format (line 3)",
        ],
    );
}

#[test]
fn commands() {
    let json = |keyword: &str, line: usize| {
        format!(
            "JSONArgsRecommended: JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals (line {line})"
        )
    };
    let once = |keyword: &str, line: usize| {
        format!(
            "MultipleInstructionsDisallowed: Multiple {keyword} instructions should not be used in the same stage because only the last one will be used (line {line})"
        )
    };
    finds("FROM a\nCMD x\nENTRYPOINT y", &[&json("CMD", 2), &json("ENTRYPOINT", 3)]);
    finds("FROM a\nSHELL [\"x\"]\nCMD x\nFROM a", &[]);
    finds("FROM a AS x\nSHELL [\"x\"]\nFROM x\nCMD x", &[]);
    finds("FROM a\nCMD [\"x\"]\nCMD [\"y\"]\nCMD [\"z\"]", &[&once("CMD", 2), &once("CMD", 3)]);
    finds("FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x", &[&once("HEALTHCHECK", 2)]);
    finds("FROM a AS x\nCMD [\"x\"]\nFROM x\nCMD [\"x\"]", &[]);
}

#[test]
fn arguments_in_from() {
    finds("FROM ${B:-scratch}", &["UndefinedArgInFrom: FROM argument 'B' is not declared (line 1)"]);
    finds(
        "ARG FOO=a\nFROM ${FO:-x}",
        &["UndefinedArgInFrom: FROM argument 'FO' is not declared (did you mean FOO?) (line 2)"],
    );
    finds(
        "ARG B\nFROM $B",
        &[
            "InvalidDefaultArgInFrom: Default value for ARG $B results in empty or invalid base image name (line 2)",
            "error: base name ($B) should not be blank [2]",
        ],
    );
    finds_with(
        "ARG B\nFROM $B",
        &with(&[("B", "x")]),
        &["InvalidDefaultArgInFrom: Default value for ARG $B results in empty or invalid base image name (line 2)"],
    );
}

#[test]
fn platforms() {
    finds(
        "FROM --platform=$TARGETPLATFORM a",
        &[
            "RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior (line 1)",
        ],
    );
    finds(
        "FROM --platform=linux/amd64 a",
        &[
            "FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\" (line 1)",
        ],
    );
    finds("FROM --platform=linux/amd64 a AS a-amd64\nFROM --platform=$BUILDPLATFORM a", &[]);
    let mut other = image(ContainerConfig::default());
    "arm64".clone_into(&mut other.architecture);
    let shelf = Shelf { images: [("other", other)].into() };
    assert_eq!(
        found("FROM other", &request(), &shelf),
        [
            "InvalidBaseImagePlatform: Base image other was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build (line 1)",
        ]
    );
}

#[test]
fn variables() {
    let undefined =
        |name: &str, line: usize| format!("UndefinedVar: Usage of undefined variable '${name}' (line {line})");
    finds("FROM a\nENV LONG=$N\nUSER ${N:-x}\nWORKDIR /$PATH", &[&undefined("N", 2), &undefined("N", 3)]);
    finds("FROM a\nARG N\nENV A=$N", &[]);
    finds("FROM a\nENV L=$L", &[&undefined("L", 2)]);
    finds("FROM a\nLABEL a=$N b=$N c=$N$N", &[&undefined("N", 2), &undefined("N", 2), &undefined("N", 2)]);
    finds(
        "FROM a\nENV FOO=1\nUSER $FOOO",
        &["UndefinedVar: Usage of undefined variable '$FOOO' (did you mean $FOO?) (line 3)"],
    );
    finds("FROM a\nUSER $path", &[&undefined("path", 2)]);
    finds("FROM a\nCOPY <<E /\n$N\nE\nCOPY <<'E' /\n$N\nE\nRUN <<E\n$N\nE", &[&undefined("N", 2)]);
    finds("FROM a\nARG A=$N", &[&undefined("N", 2)]);
    finds("FROM a\nRUN --mount=target=/x$N x $M", &[&undefined("N", 2)]);
    // Of a base's stage too.
    finds("FROM a AS x\nARG N\nFROM x\nENV A=$N", &[]);
}

#[test]
fn secrets() {
    let secret = |keyword: &str, name: &str| {
        format!(
            "SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data ({keyword} \"{name}\") (line 2)"
        )
    };
    finds("FROM a\nENV API_KEY=1 SECRETS=2", &[&secret("ENV", "API_KEY")]);
    finds("FROM a\nARG db_Password", &[&secret("ARG", "db_Password")]);
    finds("FROM a\nENV PUBLIC_KEY=1 TOKENS=1 monkey=1 KEY_FILE=1 KEY_VERSION=1", &[]);
}

#[test]
fn directories_and_ports() {
    finds(
        "FROM a\nWORKDIR x\nWORKDIR y",
        &["WorkdirRelativePath: Relative workdir \"x\" can have unexpected results if the base image changes (line 2)"],
    );
    finds("FROM a AS x\nWORKDIR /x\nFROM x\nWORKDIR y", &[]);
    finds(
        "FROM a\nEXPOSE 80/TCP 1:81",
        &[
            "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '1:81' (line 2)",
            "ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase (line 2)",
        ],
    );
}

#[test]
fn ignored_files() {
    let with = |ignore: &str| Request { ignore: Ignore::parse(ignore).unwrap(), ..request() };
    let hidden = |verb: &str, file: &str| {
        format!("CopyIgnoredFile: Attempting to {verb} file \"{file}\" that is excluded by .dockerignore (line 2)")
    };
    finds_with("FROM a\nCOPY x ./y/ /d/", &with("x\ny"), &[&hidden("Copy", "x"), &hidden("Copy", "y")]);
    finds_with("FROM a\nADD x/z /d", &with("x"), &[&hidden("Add", "x/z")]);
    finds_with("FROM a\nCOPY x /d", &with("x\n!x/y"), &[]);
    finds_with("FROM a\nCOPY /x /d", &with("x"), &[]);
    finds_with("FROM a\nCOPY . /d", &with("x"), &[]);
    finds_with("FROM a\nCOPY . /d", &with("*"), &[&hidden("Copy", ".")]);
    finds_with("FROM a\nCOPY --from=b x /d", &with("x"), &[]);
}

#[test]
fn descriptions_are_asked_for_only_on_request() {
    let text = "# something\nFROM a AS b\n# else\nARG C D";
    finds(text, &[]);
    finds(
        &format!("# check=experimental=all\n{text}"),
        &[
            "InvalidDefinitionDescription: Comment for FROM should follow the format: `# b <description>` (line 3)",
            "InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>` (line 5)",
        ],
    );
    finds("# check=experimental=InvalidDefinitionDescription\n# b says\nFROM a AS b\n#\nARG C", &[]);
}

#[test]
fn files_choose_what_counts() {
    finds("# check=skip=MaintainerDeprecated,UndefinedVar\nFROM a\nMAINTAINER $x\nUSER $x", &[]);
    finds("# check=skip=all\nFROM a as B\nMAINTAINER x", &[]);
    let maintainer = "MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 3)";
    finds(
        "# check=error=true\nFROM a\nMAINTAINER x",
        &[maintainer, "error: lint violation found for rules: MaintainerDeprecated []"],
    );
    finds("# check=nonsense\nFROM a", &["error: failed to parse check options: invalid check option \"nonsense\" []"]);
    finds_with(
        "# check=skip=all\nFROM a\nMAINTAINER x",
        &with(&[("BUILDKIT_DOCKERFILE_CHECK", "error=false")]),
        &[maintainer],
    );
    finds(
        "FROM a\n# check=skip=UndefinedVar\nUSER $x\nUSER $y",
        &["UndefinedVar: Usage of undefined variable '$y' (line 4)"],
    );
    finds("# check=skip=all\n# other\n# check=skip=FromAsCasing\nFROM a as b", &[]);
    finds("# other\n# check=skip=FromAsCasing\nFROM a as b", &[]);
}

#[test]
fn all_stages_are_looked_at_unless_one_is_chosen() {
    let text = "FROM a AS x\nUSER $y\nFROM a";
    finds(text, &["UndefinedVar: Usage of undefined variable '$y' (line 2)"]);
    finds("FROM nothing AS x\nFROM a", &["error: nothing: nothing: not found [1]"]);
    let request = Request { target: Some("z".to_owned()), ..request() };
    finds_with("FROM no AS x\nUSER $y\nFROM a AS z", &request, &[]);
}

#[test]
fn every_rule_is_tested() {
    let names: BTreeSet<_> = wharfie_build::lint::Rule::ALL.iter().map(|rule| rule.name()).collect();
    let text = include_str!("lint.rs");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !text.contains(&format!("\"{name}: ")) && !text.contains(&format!("{name}: ")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

//! Profiles in docker's own format, as `--security-opt seccomp=FILE` takes them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::capability::Capabilities;
use crate::error::{Error, Result};
use crate::seccomp::profile::{ARCHITECTURES, Action, EPERM, Filter, Is, Rule, Section, Test, number, row};

/// Reads a profile. Names of calls that this machine's architecture does not have are passed over, as docker does.
pub(super) fn parse(text: &str, capabilities: Capabilities) -> Result<Filter> {
    let invalid = |reason: String| Error::invalid("seccomp profile", "", reason);
    let profile: Profile = serde_json::from_str(text).map_err(|why| invalid(why.to_string()))?;
    let default = action(&profile.default_action, profile.default_errno_ret).map_err(invalid)?;
    let mut sections: Vec<Section> =
        ARCHITECTURES.iter().map(|one| Section { audit: one.audit, ..Section::default() }).collect();
    let held: Vec<String> = capabilities.names().collect();
    for group in &profile.syscalls {
        if !applies(group, &held) {
            continue;
        }
        let action = action(&group.action, group.errno_ret).map_err(invalid)?;
        let rules = rules(group, action).map_err(invalid)?;
        let names = group.names.iter().map(String::as_str).chain(group.name.as_deref());
        for at in names.filter_map(row) {
            for (section, architecture) in sections.iter_mut().zip(ARCHITECTURES) {
                let Some(number) = number(at, architecture.column) else { continue };
                let all = section.calls.entry(number).or_default();
                // Rules with tests come first, whatever the order: one without would hide them.
                let at = all.iter().position(|rule| rule.tests.is_empty()).unwrap_or(all.len());
                all.splice(at..at, rules.iter().cloned());
            }
        }
    }
    Ok(Filter { default, sections })
}

/// The profile as the runtime specification has it: the groups that apply, without their conditions.
pub(super) fn flatten(text: &str, capabilities: Capabilities) -> Result<Value> {
    parse(text, capabilities)?;
    let invalid = |why: serde_json::Error| Error::invalid("seccomp profile", "", why.to_string());
    let profile: Profile = serde_json::from_str(text).map_err(invalid)?;
    let mut whole: Value = serde_json::from_str(text).map_err(invalid)?;
    let held: Vec<String> = capabilities.names().collect();
    let groups = whole.get_mut("syscalls").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let kept = groups.into_iter().zip(&profile.syscalls).filter(|(_, group)| applies(group, &held));
    let plain = kept.map(|(mut value, group)| {
        let names: Vec<&String> = group.names.iter().chain(&group.name).collect();
        let names = json!(names);
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, value| matches!(key.as_str(), "action" | "errnoRet" | "args") && !value.is_null());
            object.insert("names".to_owned(), names);
        }
        value
    });
    let mut result = json!({
        "defaultAction": profile.default_action,
        "architectures": ARCHITECTURES.iter().map(|one| one.names[1]).collect::<Vec<_>>(),
        "syscalls": plain.collect::<Vec<_>>(),
    });
    if let Some(errno) = profile.default_errno_ret {
        result["defaultErrnoRet"] = json!(errno);
    }
    Ok(result)
}

fn applies(group: &Group, held: &[String]) -> bool {
    let holds = |name: &String| held.contains(name);
    let is_here = |name: &String| ARCHITECTURES.iter().any(|one| one.names.contains(&name.as_str()));
    let Condition { caps, arches, .. } = &group.includes;
    let is_included = caps.iter().all(holds) && (arches.is_empty() || arches.iter().any(is_here));
    let is_excluded = group.excludes.caps.iter().any(holds) || group.excludes.arches.iter().any(is_here);
    is_included && !is_excluded
}

fn rules(group: &Group, action: Action) -> Result<Vec<Rule>, String> {
    let tests = group.args.iter().flatten().map(test).collect::<Result<Vec<_>, _>>()?;
    let is_repeated =
        tests.iter().enumerate().any(|(at, test)| tests[..at].iter().any(|t| t.argument == test.argument));
    Ok(match is_repeated {
        // Two tests of one argument mean "or", as runc has it.
        true => tests.into_iter().map(|test| Rule { tests: vec![test], action }).collect(),
        false => vec![Rule { tests, action }],
    })
}

fn test(argument: &Argument) -> Result<Test, String> {
    let Argument { index, value, value_two, op } = argument;
    if *index > 5 {
        return Err(format!("there is no argument {index}"));
    }
    let is = match op.as_str() {
        "SCMP_CMP_EQ" => Is::Equal(*value),
        "SCMP_CMP_NE" => Is::NotEqual(*value),
        "SCMP_CMP_GT" => Is::Greater(*value),
        "SCMP_CMP_GE" => Is::AtLeast(*value),
        "SCMP_CMP_LT" => Is::Less(*value),
        "SCMP_CMP_LE" => Is::AtMost(*value),
        "SCMP_CMP_MASKED_EQ" => Is::Masked(*value, *value_two),
        other => return Err(format!("unknown comparison {other}")),
    };
    Ok(Test { argument: *index, is })
}

fn action(name: &str, errno: Option<u16>) -> Result<Action, String> {
    Ok(match name {
        "SCMP_ACT_ALLOW" => Action::ALLOW,
        "SCMP_ACT_ERRNO" => Action::errno(errno.unwrap_or(EPERM)),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS" => Action::KILL_PROCESS,
        "SCMP_ACT_LOG" => Action::LOG,
        "SCMP_ACT_TRACE" => Action::TRACE,
        "SCMP_ACT_TRAP" => Action::TRAP,
        other => return Err(format!("unknown action {other}")),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u16>,
    #[serde(default)]
    syscalls: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    names: Vec<String>,
    name: Option<String>,
    action: String,
    errno_ret: Option<u16>,
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Deserialize, Default)]
struct Condition {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str, name: &str) -> Option<Vec<Rule>> {
        let filter = parse(text, Capabilities::DEFAULT).unwrap();
        let number = number(row(name).unwrap(), ARCHITECTURES[0].column).unwrap();
        filter.sections[0].calls.get(&number).cloned()
    }

    #[test]
    fn groups_apply_by_capability_and_architecture() {
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["mkdirat","no_such_call"],"action":"SCMP_ACT_ALLOW","args":null},
            {"names":["setns"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
            {"names":["sync"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"excludes":{"arches":["s390x"]}},
            {"name":"acct","action":"SCMP_ACT_KILL","includes":{"arches":["s390x"]}}]}"#;
        assert_eq!(calls(text, "mkdirat").unwrap()[0].action, Action::ALLOW);
        assert_eq!(calls(text, "setns"), None);
        assert_eq!(calls(text, "sync").unwrap()[0].action, Action::errno(38));
        assert_eq!(calls(text, "acct"), None);
    }

    #[test]
    fn tests_of_one_argument_are_alternatives() {
        let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["personality"],"action":"SCMP_ACT_TRAP"},
            {"names":["personality"],"action":"SCMP_ACT_LOG","args":[
                {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]}]}"#;
        let rules = calls(text, "personality").unwrap();
        assert_eq!(rules.iter().map(|rule| rule.tests.len()).collect::<Vec<_>>(), [1, 1, 0]);
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (text, reason) in [
            ("{", "EOF"),
            (r#"{"defaultAction":"SCMP_ACT_FLY"}"#, "SCMP_ACT_FLY"),
            (
                r#"{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"name":"read","action":"SCMP_ACT_LOG","args":[{"index":9,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
                "argument 9",
            ),
        ] {
            let said = parse(text, Capabilities::NONE).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
        }
    }
}

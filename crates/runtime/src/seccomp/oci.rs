//! Profiles as the runtime specification wants them, for other runtimes.

use serde_json::{Value, json};

use crate::capability::Capabilities;
use crate::error::Result;
use crate::seccomp::json;
use crate::seccomp::profile::{ARCHITECTURES, Action, EPERM, Is, Rule, Verdict, by_arguments};
use crate::seccomp::table::SYSCALLS;
use crate::spec::Seccomp;

/// The `linux.seccomp` member for a container with these capabilities, or `None` when nothing is filtered.
///
/// # Errors
/// When a given profile cannot be understood.
pub(crate) fn describe(choice: &Seccomp, capabilities: Capabilities) -> Result<Option<Value>> {
    match choice {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Profile(text) => json::flatten(text, capabilities).map(Some),
        Seccomp::Default => Ok(Some(default(capabilities))),
    }
}

fn default(capabilities: Capabilities) -> Value {
    let is_allowed = |verdict: &Verdict| match verdict {
        Verdict::Always => true,
        Verdict::With(any) => capabilities.has_any(*any),
        Verdict::Arguments | Verdict::Never => false,
    };
    let allowed: Vec<&str> = SYSCALLS.iter().filter(|(.., v)| is_allowed(v)).map(|(name, ..)| *name).collect();
    let mut groups = vec![json!({ "names": allowed, "action": "SCMP_ACT_ALLOW" })];
    for (name, _, verdict) in SYSCALLS {
        if *verdict == Verdict::Arguments {
            groups.extend(by_arguments(name, capabilities).iter().flat_map(|rule| group(name, rule)));
        }
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": ARCHITECTURES.iter().map(|one| one.names[1]).collect::<Vec<_>>(),
        "syscalls": groups,
    })
}

fn group(name: &str, rule: &Rule) -> Vec<Value> {
    let make = |args: Vec<Value>| match rule.action {
        Action::ALLOW => json!({ "names": [name], "action": "SCMP_ACT_ALLOW", "args": args }),
        Action(other) => {
            json!({ "names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": other & 0xffff, "args": args })
        }
    };
    let one = |index: u8, op: &str, value: u64, two: u64| json!({ "index": index, "value": value, "valueTwo": two, "op": op });
    match rule.tests[..] {
        [] => vec![make(Vec::new())],
        // Runtimes understand two tests of one argument as alternatives, so a range is said value by value.
        [from, to] => match (from.is, to.is) {
            (Is::AtLeast(low), Is::AtMost(high)) => {
                (low..=high).map(|value| make(vec![one(from.argument, "SCMP_CMP_EQ", value, 0)])).collect()
            }
            _ => Vec::new(),
        },
        [test, ..] => match test.is {
            Is::Equal(value) => vec![make(vec![one(test.argument, "SCMP_CMP_EQ", value, 0)])],
            Is::Masked(mask, value) => vec![make(vec![one(test.argument, "SCMP_CMP_MASKED_EQ", mask, value)])],
            // The default profile has no others.
            _ => Vec::new(),
        },
    }
}

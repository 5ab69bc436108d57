//! From a filter to the kernel's classic BPF.

use std::collections::BTreeMap;

use crate::seccomp::profile::{Action, ENOSYS, Filter, Is, Rule, Section, Test};
use crate::sys::Instruction;

/// The program. Calls of architectures that the filter does not name end the process.
pub(super) fn assemble(filter: &Filter) -> Vec<Instruction> {
    let mut program = vec![load(OFFSET_ARCHITECTURE)];
    for section in &filter.sections {
        let body = body(section, filter.default);
        // Over the body if it is another architecture; too far for a conditional jump.
        program.push(jump(JUMP_EQUAL, section.audit, 1, 0));
        program.push(Instruction { code: JUMP_ALWAYS, if_true: 0, if_false: 0, value: length(&body) });
        program.extend(body);
    }
    program.push(answer(Action::KILL_PROCESS));
    program
}

fn body(section: &Section, default: Action) -> Vec<Instruction> {
    let mut program = vec![load(OFFSET_NUMBER)];
    program.extend(tree(&leaves(&section.calls, default), default));
    program
}

/// Numbers from the first one on, up to the next leaf's, and what is answered.
type Leaf<'a> = (u32, &'a [Rule]);

/// Neighbours with one answer become one leaf.
fn leaves(calls: &BTreeMap<u32, Vec<Rule>>, default: Action) -> Vec<(u32, Vec<Rule>)> {
    let plain = |action| vec![Rule { tests: Vec::new(), action }];
    let mut leaves: Vec<(u32, Vec<Rule>)> = vec![(0, plain(default))];
    let mut push = |from: u32, rules: Vec<Rule>| {
        let last = leaves.last_mut().expect("there is a first leaf");
        if last.0 == from {
            last.1 = rules;
        } else if last.1 != rules {
            leaves.push((from, rules));
        }
    };
    for (number, rules) in calls {
        push(*number, rules.clone());
        if !calls.contains_key(&(number + 1)) {
            push(number + 1, plain(default));
        }
    }
    if default.is_lenient() {
        return leaves;
    }
    // Calls newer than the profile: libraries try them and fall back when told that they do not exist.
    let newest = calls.keys().rev().find(|number| **number < FIRST_PRIVATE).map_or(0, |number| number + 1);
    if let Err(at) = leaves.binary_search_by_key(&newest, |(from, _)| *from) {
        leaves.insert(at, (newest, plain(default)));
    }
    let end = newest + NEW_CALLS;
    let after = leaves.iter().position(|(from, _)| *from > newest).unwrap_or(leaves.len());
    leaves.insert(after, (end, plain(default)));
    if let Some(leaf) = leaves.iter_mut().find(|(from, _)| *from == newest) {
        leaf.1 = plain(Action::errno(ENOSYS));
    }
    leaves
}

fn tree(leaves: &[(u32, Vec<Rule>)], default: Action) -> Vec<Instruction> {
    let [(_, only)] = leaves else {
        let (low, high) = leaves.split_at(leaves.len() / 2);
        let (from, _): Leaf<'_> = (high[0].0, &high[0].1);
        let (low, high) = (tree(low, default), tree(high, default));
        let mut program = match u8::try_from(low.len()) {
            Ok(distance) => vec![jump(JUMP_AT_LEAST, from, distance, 0)],
            Err(_) => vec![
                jump(JUMP_AT_LEAST, from, 0, 1),
                Instruction { code: JUMP_ALWAYS, if_true: 0, if_false: 0, value: length(&low) },
            ],
        };
        program.extend(low);
        program.extend(high);
        return program;
    };
    let mut program = Vec::new();
    for rule in only {
        program.extend(tests(&rule.tests));
        program.push(answer(rule.action));
        if rule.tests.is_empty() {
            return program;
        }
    }
    program.push(answer(default));
    program
}

/// Falls through to the next instruction if all hold, else goes over it.
fn tests(tests: &[Test]) -> Vec<Instruction> {
    let mut program: Vec<Instruction> = Vec::new();
    for test in tests {
        program.extend(compare(test));
    }
    // `FAIL` becomes the distance to what follows the answer; both are within a byte, six tests being the most.
    let end = program.len() + 1;
    for (at, instruction) in program.iter_mut().enumerate() {
        for distance in [&mut instruction.if_true, &mut instruction.if_false] {
            if *distance == FAIL {
                *distance = u8::try_from(end - at - 1).expect("rules are short");
            }
        }
    }
    program
}

/// One comparison, half by half: the machine has 32 bits. Distances count the instructions within the comparison.
fn compare(test: &Test) -> Vec<Instruction> {
    let offset = OFFSET_ARGUMENTS + u32::from(test.argument) * 8;
    let (low, high) = (load(offset), load(offset + 4));
    let halves = |value: u64| ((value & 0xffff_ffff) as u32, (value >> 32) as u32);
    let and = |value| Instruction { code: AND, if_true: 0, if_false: 0, value };
    // Above in the high half decides at once, below too; the low half decides if they are equal.
    let order = |value: u64, code: u16, is_wanted: bool| {
        let (value_low, value_high) = halves(value);
        let (yes, no) = if is_wanted { (3, FAIL) } else { (FAIL, 3) };
        let (last_yes, last_no) = if is_wanted { (0, FAIL) } else { (FAIL, 0) };
        vec![
            high,
            jump(JUMP_ABOVE, value_high, yes, 0),
            jump(JUMP_EQUAL, value_high, 0, if is_wanted { FAIL } else { no - 1 }),
            low,
            jump(code, value_low, last_yes, last_no),
        ]
    };
    match test.is {
        Is::Equal(value) => {
            let (value_low, value_high) = halves(value);
            vec![high, jump(JUMP_EQUAL, value_high, 0, FAIL), low, jump(JUMP_EQUAL, value_low, 0, FAIL)]
        }
        Is::NotEqual(value) => {
            let (value_low, value_high) = halves(value);
            vec![high, jump(JUMP_EQUAL, value_high, 0, 2), low, jump(JUMP_EQUAL, value_low, FAIL, 0)]
        }
        Is::Masked(mask, value) => {
            let ((mask_low, mask_high), (value_low, value_high)) = (halves(mask), halves(value));
            let high = [high, and(mask_high), jump(JUMP_EQUAL, value_high, 0, FAIL)];
            let low = [low, and(mask_low), jump(JUMP_EQUAL, value_low, 0, FAIL)];
            [high, low].concat()
        }
        Is::Greater(value) => order(value, JUMP_ABOVE, true),
        Is::AtLeast(value) => order(value, JUMP_AT_LEAST, true),
        Is::Less(value) => order(value, JUMP_AT_LEAST, false),
        Is::AtMost(value) => order(value, JUMP_ABOVE, false),
    }
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, if_true: 0, if_false: 0, value: offset }
}

fn jump(code: u16, value: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code, if_true, if_false, value }
}

fn answer(action: Action) -> Instruction {
    Instruction { code: RETURN, if_true: 0, if_false: 0, value: action.0 }
}

fn length(program: &[Instruction]) -> u32 {
    u32::try_from(program.len()).expect("programs are short")
}

// Offsets in the kernel's `seccomp_data`; little-endian halves, as on every machine in the table.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;
// Operations, from the kernel's `bpf_common.h`.
const LOAD: u16 = 0x20;
const JUMP_ALWAYS: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ABOVE: u16 = 0x25;
const JUMP_AT_LEAST: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
/// Stands for "the test does not hold" until the distance is known.
const FAIL: u8 = 0xff;
/// Architectures keep calls of their own from here on (arm).
const FIRST_PRIVATE: u32 = 0xf_0000;
/// So many numbers after the last known one are calls to come.
const NEW_CALLS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::{Capabilities, bits as cap};
    use crate::seccomp::profile::{self, ARCHITECTURES, EPERM};

    /// What the kernel would answer.
    fn run(program: &[Instruction], audit: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let (mut at, mut value) = (0, 0_u32);
        loop {
            let Instruction { code, if_true, if_false, value: operand } = program[at];
            at += 1;
            let branch = |holds: bool| usize::from(if holds { if_true } else { if_false });
            match code {
                LOAD => {
                    value = match operand {
                        OFFSET_NUMBER => number,
                        OFFSET_ARCHITECTURE => audit,
                        other => {
                            let argument = arguments[(other as usize - 16) / 8];
                            if other % 8 == 0 { argument as u32 } else { (argument >> 32) as u32 }
                        }
                    };
                }
                AND => value &= operand,
                JUMP_ALWAYS => at += operand as usize,
                JUMP_EQUAL => at += branch(value == operand),
                JUMP_ABOVE => at += branch(value > operand),
                JUMP_AT_LEAST => at += branch(value >= operand),
                RETURN => return operand,
                other => panic!("no such operation {other:#x}"),
            }
        }
    }

    fn number(name: &str) -> u32 {
        profile::number(profile::row(name).unwrap(), ARCHITECTURES[0].column).unwrap()
    }

    #[track_caller]
    fn check(capabilities: Capabilities, name: &str, first: u64, expected: Action) {
        let program = assemble(&profile::default(capabilities));
        let answer = run(&program, ARCHITECTURES[0].audit, number(name), [first, 0, 0, 0, 0, 0]);
        assert_eq!(answer, expected.0, "{name}({first:#x})");
    }

    #[test]
    fn every_call_of_the_table_gets_its_verdict() {
        let program = assemble(&profile::default(Capabilities::DEFAULT));
        for architecture in ARCHITECTURES {
            for (at, (name, _, verdict)) in crate::seccomp::table::SYSCALLS.iter().enumerate() {
                let Some(number) = profile::number(at, architecture.column) else { continue };
                let expected = match verdict {
                    profile::Verdict::Always => Action::ALLOW,
                    profile::Verdict::With(any) if Capabilities::DEFAULT.has_any(*any) => Action::ALLOW,
                    profile::Verdict::With(_) | profile::Verdict::Never => Action::errno(EPERM),
                    profile::Verdict::Arguments => continue,
                };
                let answer = run(&program, architecture.audit, number, [0; 6]);
                // A refused call that is newer than all allowed ones counts as one to come.
                let is_to_come = expected != Action::ALLOW && answer == Action::errno(ENOSYS).0;
                assert!(answer == expected.0 || (is_to_come && number > 460), "{name}: {answer:#x}");
            }
        }
        assert!(program.len() < 1000, "{} instructions", program.len());
    }

    #[test]
    fn arguments_decide_where_the_profile_says_so() {
        let plain = Capabilities::DEFAULT;
        let admin = plain.adjust(&["SYS_ADMIN"], &[]).unwrap();
        assert!(admin.has_any(cap::SYS_ADMIN));
        let eperm = Action::errno(EPERM);
        check(plain, "clone", 0x11, Action::ALLOW);
        check(plain, "clone", 0x1000_0011, eperm);
        check(admin, "clone", 0x1000_0011, Action::ALLOW);
        check(plain, "clone3", 0, Action::errno(ENOSYS));
        check(admin, "clone3", 0, Action::ALLOW);
        check(plain, "personality", 0, Action::ALLOW);
        check(plain, "personality", 0xffff_ffff, Action::ALLOW);
        check(plain, "personality", 0x4_0000, eperm);
        check(plain, "socket", 2, Action::ALLOW);
        check(plain, "socket", 45, Action::ALLOW);
        check(plain, "socket", 40, eperm);
        check(plain, "socket", 38, eperm);
        check(plain, "socket", (1 << 32) | 2, eperm);
        check(plain, "mount", 0, eperm);
        check(admin, "mount", 0, Action::ALLOW);
    }

    #[test]
    fn calls_to_come_do_not_exist_and_foreign_ones_kill() {
        let program = assemble(&profile::default(Capabilities::DEFAULT));
        assert_eq!(run(&program, ARCHITECTURES[0].audit, 600, [0; 6]), Action::errno(ENOSYS).0);
        assert_eq!(run(&program, ARCHITECTURES[0].audit, 0x4000_0000, [0; 6]), Action::errno(EPERM).0);
        assert_eq!(run(&program, 0xdead, 0, [0; 6]), Action::KILL_PROCESS.0);
    }

    #[test]
    fn comparisons_are_those_of_64_bits() {
        let values = [0, 1, 5, 6, 7, u64::from(u32::MAX), 1 << 32, (5 << 32) | 1, (5 << 32) | 9, u64::MAX];
        for value in values {
            for argument in values {
                for (is, expected) in [
                    (Is::Equal(value), argument == value),
                    (Is::NotEqual(value), argument != value),
                    (Is::Greater(value), argument > value),
                    (Is::AtLeast(value), argument >= value),
                    (Is::Less(value), argument < value),
                    (Is::AtMost(value), argument <= value),
                    (Is::Masked(0xf_0000_0007, value), argument & 0xf_0000_0007 == value),
                ] {
                    // Two tests, so that distances past the first are checked too.
                    let tests = vec![Test { argument: 1, is: Is::Equal(0) }, Test { argument: 0, is }];
                    let rules = vec![Rule { tests, action: Action::ALLOW }];
                    let section = Section { audit: 1, calls: BTreeMap::from([(7, rules)]) };
                    let program = assemble(&Filter { default: Action::TRAP, sections: vec![section] });
                    let answer = run(&program, 1, 7, [argument, 0, 0, 0, 0, 0]);
                    assert_eq!(answer == Action::ALLOW.0, expected, "{argument:#x} {is:?}");
                }
            }
        }
    }
}

//! The language as a whole; and the fuzzers' bodies on seeds and on what chance makes of them.

#[path = "../../../../fuzz/bodies/dockerfile.rs"]
mod body;
mod call;
mod corners;
#[path = "../../../../fuzz/bodies/ignore.rs"]
mod ignore_body;
mod lint;
mod plan;
#[path = "../../../../fuzz/bodies/plan.rs"]
mod plan_body;

use proptest::prelude::*;

const SEEDS: &[&str] = &[
    "# escape=`\nFROM a AS b\nRUN a `\n# c\n  && b\n",
    "ENV A=1 B=\"x y\" C=${A:-${B##*/}}\nLABEL a b c\nCMD [\"a\", \"b\"] # c\n",
    "\u{feff}EXPOSE 80/tcp 90-91\nVOLUME [\"/a b\"]\nUSER ${U?no}:$G\nWORKDIR ${P//\\//-}\n",
    "ARG B=a\nFROM $B AS b\nFROM scratch AS a\nCOPY --from=b --chmod=u+x a /\nFROM a\nRUN --mount=from=b,target=/x <<E\nx\nE\n",
    "# check=experimental=all;error=true\nFROM scratch\nADD https://x/y.git?ref=z git@h:x <<A /d\n$x\nA\nARG key\nONBUILD RUN x\n",
];

#[test]
fn seeds_are_read() {
    SEEDS.iter().for_each(|seed| body::run(seed));
    SEEDS.iter().for_each(|seed| plan_body::run(seed));
}

proptest! {
    #[test]
    fn no_mutation_of_a_seed_is_too_strange(
        seed in 0..SEEDS.len(), at in 0_usize..150, len in 0_usize..10, new in "[\\PC\\n${}\"'\\\\`]{0,8}",
    ) {
        let mut characters: Vec<char> = SEEDS[seed].chars().collect();
        let at = at.min(characters.len());
        let end = (at + len).min(characters.len());
        characters.splice(at..end, new.chars());
        let text: String = characters.into_iter().collect();
        body::run(&text);
        plan_body::run(&text);
    }

    #[test]
    fn a_folder_with_something_to_be_seen_in_it_is_looked_into(
        text in "([!]?[ab*/.?\\[\\]^-]{1,6}\n){1,4}", path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
    ) {
        ignore_body::run(&format!("{text}{path}"));
    }
}

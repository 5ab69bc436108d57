//! The fuzzer's body on seeds and on what chance makes of them.

#[path = "../../../../fuzz/bodies/dockerfile.rs"]
mod body;
mod call;
mod lint;
mod plan;

use proptest::prelude::*;

const SEEDS: &[&str] = &[
    "# escape=`\nFROM a AS b\nRUN a `\n# c\n  && b\n",
    "ENV A=1 B=\"x y\" C=${A:-${B##*/}}\nLABEL a b c\nCMD [\"a\", \"b\"] # c\n",
    "\u{feff}EXPOSE 80/tcp 90-91\nVOLUME [\"/a b\"]\nUSER ${U?no}:$G\nWORKDIR ${P//\\//-}\n",
];

#[test]
fn seeds_are_read() {
    SEEDS.iter().for_each(|seed| body::run(seed));
}

proptest! {
    #[test]
    fn no_mutation_of_a_seed_is_too_strange(
        seed in 0..SEEDS.len(), at in 0_usize..100, len in 0_usize..10, new in "[\\PC\\n${}\"'\\\\`]{0,8}",
    ) {
        let mut characters: Vec<char> = SEEDS[seed].chars().collect();
        let at = at.min(characters.len());
        let end = (at + len).min(characters.len());
        characters.splice(at..end, new.chars());
        body::run(&characters.into_iter().collect::<String>());
    }
}

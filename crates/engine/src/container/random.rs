//! Names and ids that nobody chose.

use wharfie_oci::ContainerName;

use crate::error::{Error, Result};

const ADJECTIVES: &[&str] = &[
    "able", "airy", "ample", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "clever", "cosmic",
    "crisp", "curious", "daring", "deft", "eager", "early", "earnest", "fair", "fleet", "fluent", "frank", "gentle",
    "glad", "golden", "grand", "handy", "hardy", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal",
    "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "plucky", "polite",
    "proud", "quick", "quiet", "rapid", "ready", "serene", "sharp", "silent", "sincere", "sober", "solid", "spry",
    "steady", "sturdy", "sunny", "swift", "tidy", "trusty", "upbeat", "vivid", "warm", "wise", "witty", "zesty",
];
const SURNAMES: &[&str] = &[
    "almeida",
    "anning",
    "babbage",
    "banneker",
    "bassi",
    "blackwell",
    "bose",
    "brahmagupta",
    "cannon",
    "carson",
    "cavendish",
    "chandra",
    "clarke",
    "cori",
    "curie",
    "darwin",
    "dijkstra",
    "einstein",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "franklin",
    "galilei",
    "gauss",
    "germain",
    "goodall",
    "haller",
    "hamilton",
    "herschel",
    "hopper",
    "hypatia",
    "johnson",
    "joliot",
    "kepler",
    "khayyam",
    "kovalevskaya",
    "lalande",
    "lamarr",
    "leavitt",
    "lovelace",
    "maxwell",
    "mayer",
    "meitner",
    "mendel",
    "mirzakhani",
    "morse",
    "newton",
    "nobel",
    "noether",
    "pascal",
    "pasteur",
    "payne",
    "perlman",
    "planck",
    "poincare",
    "ramanujan",
    "ride",
    "ritchie",
    "rosalind",
    "rubin",
    "shannon",
    "sinoussi",
    "swirles",
    "tesla",
    "thompson",
    "turing",
    "varahamihira",
    "volta",
    "wescoff",
    "wiles",
    "wright",
    "wu",
    "yalow",
];

/// So many random bytes.
///
/// # Errors
/// When the kernel gives none.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|why| Error::system("read random numbers")(why.into()))?;
    Ok(bytes)
}

/// An adjective and a surname.
///
/// # Errors
/// When the kernel gives no random numbers.
pub(crate) fn name() -> Result<ContainerName> {
    let [a, b, c, d] = bytes::<4>()?;
    let pick =
        |list: &[&'static str], high: u8, low: u8| list[usize::from(u16::from_be_bytes([high, low])) % list.len()];
    let name = format!("{}_{}", pick(ADJECTIVES, a, b), pick(SURNAMES, c, d));
    Ok(name.parse().expect("the words are made of letters"))
}

//! Where definitions are looked for if nobody says.

/// The names in the order in which the files are merged; all that are there count.
const NAMES: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// The files that are read when none is named, of those in a folder, in the order in which they are merged.
pub fn default_files<'n>(folder: impl IntoIterator<Item = &'n str>) -> Vec<&'static str> {
    let there: Vec<&str> = folder.into_iter().collect();
    NAMES.into_iter().filter(|name| there.contains(name)).collect()
}

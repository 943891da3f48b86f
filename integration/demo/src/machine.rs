//! The machine of the demonstration: its library, its runners, and the configuration that reads them.

use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::runner::{RUNNERS, Running};

/// The library's file, as cargo builds it.
const LIBRARY: &str = "libfake_nvml.so";

/// A machine that is played; all of it is gone when this is dropped.
#[derive(Debug)]
pub struct Machine {
    folder: TempDir,
    runners: Vec<Running>,
}

/// Why there is no machine.
#[derive(Debug)]
pub enum Error {
    /// The library is in neither place where it is looked for.
    NoLibrary { looked: [PathBuf; 2] },
    /// A file or a process could not be had.
    Failed { what: String, error: std::io::Error },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoLibrary { looked: [first, second] } => write!(
                f,
                "the demonstration needs `{LIBRARY}`, which plays its GPUs, at `{}` or `{}`: put it beside the binary (it \
                 comes with it), or build it with `cargo build -p inferometer-fake-nvml`",
                first.display(),
                second.display(),
            ),
            Self::Failed { what, error } => write!(f, "the demonstration cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl Machine {
    /// Starts the runners as processes of the executable, and puts the library where it can be loaded, with its script.
    pub fn start(executable: &Path) -> Result<Self, Error> {
        let library = find(executable)?;
        // What lies there is loaded: nobody else may put anything into it.
        let mode = std::fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("inferometer-demo-").permissions(mode).tempdir();
        let folder = folder.map_err(failed("make a temporary folder"))?;
        let runners = RUNNERS.iter().map(|runner| {
            Running::start(executable, runner).map_err(failed(&format!("start its runner `{}`", runner.name)))
        });
        let machine = Self { folder, runners: runners.collect::<Result<_, _>>()? };
        std::fs::write(machine.script(), machine.with_processes(fake_nvml::DEMO))
            .map_err(failed("write its script"))?;
        // The script lies beside the library, so the library is taken to the script.
        copy(&library, &machine.library(), executable)
            .map_err(failed(&format!("copy `{}`", library.display())))?;
        Ok(machine)
    }

    /// The file that may be changed while the demonstration runs.
    pub fn script(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.yaml")
    }

    /// Where each runner answers, by name.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, &str)> {
        RUNNERS.iter().zip(&self.runners).map(|(runner, running)| (runner.name, running.address.as_str()))
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so")
    }

    /// The script, with the runners' processes on its GPUs.
    fn with_processes(&self, script: &str) -> String {
        let mut script = script.to_owned();
        for (runner, running) in RUNNERS.iter().zip(&self.runners) {
            script =
                script.replace(&format!("pid: {},", runner.stand_in), &format!("pid: {},", running.id()));
        }
        script
    }

    /// The configuration that reads this machine.
    pub fn configuration(&self) -> String {
        let mut jobs = String::new();
        for (runner, running) in RUNNERS.iter().zip(&self.runners) {
            let model = runner.model.map(|model| format!(", labels: {{model: {model}}}")).unwrap_or_default();
            let _ = writeln!(
                jobs,
                "        - {{job_name: {}, static_configs: [{{targets: ['{}']{model}}}]}}",
                runner.name, running.address
            );
        }
        let library = self.library();
        include_str!("demo.yaml")
            .replace("LIBRARY", &library.to_string_lossy())
            .replace("        JOBS\n", &jobs)
    }
}

/// The library beside the executable, or where cargo puts what others need.
fn find(executable: &Path) -> Result<PathBuf, Error> {
    let looked = [executable.with_file_name(LIBRARY), executable.with_file_name("deps").join(LIBRARY)];
    // Where there are both, cargo made the second with this executable, and the first some time ago.
    let found = looked.iter().rev().find(|path| path.is_file()).cloned();
    found.ok_or(Error::NoLibrary { looked })
}

/// Copies the library, if it may be loaded: a regular file of root's, of ours or of the executable's owner, that no other may
/// write. What was looked at is what is copied, whatever its name means meanwhile.
fn copy(library: &Path, to: &Path, executable: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::open(library)?;
    let known = file.metadata()?;
    let owners =
        [0, rustix::process::geteuid().as_raw(), std::fs::metadata(executable).map_or(0, |of| of.uid())];
    if !known.is_file() || !owners.contains(&known.uid()) || known.mode() & 0o002 != 0 {
        return Err(std::io::Error::other(
            "it is not a file of yours, of root's or of the binary's owner, or anybody may write it",
        ));
    }
    std::io::copy(&mut file, &mut std::fs::File::create_new(to)?)?;
    Ok(())
}

fn failed(what: &str) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.to_owned();
    move |error| Error::Failed { what, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runner_is_on_a_gpu_of_the_script() {
        for runner in &RUNNERS {
            let stand_in = format!("pid: {},", runner.stand_in);
            assert!(fake_nvml::DEMO.contains(&stand_in), "{} is on no GPU", runner.name);
        }
    }

    #[test]
    fn a_library_that_anybody_may_write_is_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let (library, executable) = (folder.path().join(LIBRARY), folder.path().join("inferometer"));
        std::fs::write(&library, "a library").unwrap();
        std::fs::write(&executable, "").unwrap();
        let copied = folder.path().join("copy");
        std::fs::set_permissions(&library, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(copy(&library, &copied, &executable).is_err() && !copied.exists());
        std::fs::set_permissions(&library, std::fs::Permissions::from_mode(0o644)).unwrap();
        copy(&library, &copied, &executable).unwrap();
        assert_eq!(std::fs::read(&copied).unwrap(), b"a library");
        assert!(copy(folder.path(), &folder.path().join("other"), &executable).is_err());
    }

    #[test]
    fn without_the_library_it_says_where_it_belongs() {
        let folder = tempfile::tempdir().unwrap();
        let error = Machine::start(&folder.path().join("inferometer")).unwrap_err().to_string();
        assert!(error.contains(&format!("{}/{LIBRARY}", folder.path().display())), "{error}");
        assert!(error.contains("cargo build -p inferometer-fake-nvml"), "{error}");
    }

    #[test]
    fn the_configuration_names_the_library_and_each_runner() {
        let machine = Machine { folder: tempfile::tempdir().unwrap(), runners: Vec::new() };
        let configuration = machine.configuration();
        let read: serde_json::Value = serde_saphyr::from_str(&configuration).unwrap();
        let library = read["receivers"]["nvml"]["library_path"].as_str().unwrap();
        assert_eq!(Path::new(library), machine.library());
        assert!(read["exporters"]["prometheus"]["const_labels"]["demo"] == "true", "{configuration}");
    }
}

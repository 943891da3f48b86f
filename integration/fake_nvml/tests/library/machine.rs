//! A copy of the library in a folder of its own, with its script.

use std::ffi::CString;
use std::path::PathBuf;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

pub(crate) struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new(script: &str) -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("there is room for a folder") };
        let test = std::env::current_exe().expect("the test knows itself");
        std::fs::copy(test.with_file_name("libfake_nvml.so"), machine.library())
            .expect("the library is built beside the test");
        machine.write(script);
        machine
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("nvml.so")
    }

    /// Changes the script, as a whole.
    pub(crate) fn write(&self, script: &str) {
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, script).expect("the folder can be written");
        std::fs::rename(draft, self.folder.path().join("nvml.yaml")).expect("the folder can be written");
    }

    pub(crate) fn try_nvml(&self) -> Result<Nvml, NvmlError> {
        Nvml::builder().lib_path(self.library().as_os_str()).init()
    }

    #[track_caller]
    pub(crate) fn nvml(&self) -> Nvml {
        self.try_nvml().expect("the library initializes")
    }

    /// How often a function was called.
    pub(crate) fn calls(&self, name: &str) -> u64 {
        let name = CString::new(name).expect("a name has no zero");
        // SAFETY: the library is ours, and the function has this signature.
        unsafe {
            let library = libloading::Library::new(self.library()).expect("the library loads");
            let calls =
                library.get::<unsafe extern "C" fn(*const std::ffi::c_char) -> u64>(b"fake_nvml_calls");
            calls.expect("the library counts")(name.as_ptr())
        }
    }

    pub(crate) fn written_calls(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("nvml.calls")).expect("the counts were written")
    }
}

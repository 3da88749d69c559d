//! The real hurl.

use std::path::{Path, PathBuf};

/// Where `tests/run` installs it, or wherever the path leads.
pub(crate) fn hurl() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hurl/bin/hurl");
    if installed.is_file() {
        return installed;
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .map(|folder| folder.join("hurl"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "there is no hurl: `tests/run` installs it, `cargo install hurl` does it by hand"
            )
        })
}

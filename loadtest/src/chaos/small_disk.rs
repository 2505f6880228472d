//! A file system of limited size in memory, that can be full: what no program expects and every one meets once.
//!
//! Mounting one needs root. It goes when this value is dropped.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// What fills it.
const BALLAST: &str = "ballast";
/// Written at once; the last bits go in smaller pieces.
const PIECES: [usize; 2] = [1 << 20, 1 << 12];

/// A mounted one.
pub(super) struct SmallDisk {
    at: PathBuf,
}

// === impl SmallDisk ===

impl SmallDisk {
    /// Mounts one of so many MiB at a folder that is there and empty, for a user and group where they are given.
    ///
    /// # Errors
    /// It cannot be mounted; the words are those of `mount`.
    pub(super) async fn mount(at: &Path, mib: u64, ids: Option<(u32, u32)>) -> anyhow::Result<Self> {
        let owner = ids.map(|(uid, gid)| format!(",uid={uid},gid={gid}")).unwrap_or_default();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0700{owner}"), "tmpfs"]).arg(at);
        let done = mount.stdin(Stdio::null()).output().await.context("run mount")?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(Self { at: at.to_owned() })
    }

    /// What keeps this machine from mounting one, if something does.
    pub(super) async fn hindrance() -> Option<String> {
        let tried = async {
            let folder = tempfile::Builder::new().prefix("ringmain-disk.").tempdir()?;
            // A folder on which something is mounted cannot be taken away.
            Self::mount(folder.path(), 1, None).await.map(drop)
        };
        tried.await.err().map(|error| format!("no file system of limited size can be mounted: {error:#}"))
    }

    /// Fills it to the last block, also with what was given back since the last time.
    ///
    /// # Errors
    /// Anything but that it is full.
    pub(super) async fn fill(&self) -> anyhow::Result<()> {
        let ballast = self.ballast();
        tokio::task::spawn_blocking(move || fill(&ballast)).await?.context("fill a disk")
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// It was not filled.
    pub(super) fn free(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast()).context("free a disk")
    }

    fn ballast(&self) -> PathBuf {
        self.at.join(BALLAST)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Processes that still have files there keep it until they end.
        let gone = std::process::Command::new("umount").arg("--lazy").arg(&self.at).status();
        if !gone.as_ref().is_ok_and(std::process::ExitStatus::success) {
            tracing::warn!(at = %self.at.display(), ?gone, "a file system stays mounted");
        }
    }
}

fn fill(ballast: &Path) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(ballast)?;
    for piece in PIECES {
        let zeros = vec![0; piece];
        loop {
            match file.write_all(&zeros) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_small_disk_is_full_and_has_room_again() {
        if let Some(why) = SmallDisk::hindrance().await {
            {
                println!("SKIPPED a_small_disk_is_full_and_has_room_again: {why}");
            }
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk::mount(folder.path(), 3, None).await.unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, [7; 4_096]).unwrap();
        disk.fill().await.unwrap();
        let full = std::fs::write(folder.path().join("another"), [7; 4_096]).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        std::fs::remove_file(&file).unwrap();
        disk.fill().await.unwrap();
        assert!(std::fs::write(&file, [7; 4_096]).is_err(), "what was given back is taken, too");
        disk.free().unwrap();
        std::fs::write(&file, [7; 4_096]).unwrap();
        drop(disk);
        assert!(!file.exists(), "it is not mounted any more");
    }
}

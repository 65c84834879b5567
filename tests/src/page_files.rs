//! Files that pages are written to, and read from.

use std::path::{Path, PathBuf};

use thirtyfour::{By, Key};

use crate::{Browser, Result, files_under, wait_until};

impl Browser {
    /// Exports the page by keyboard alone, and returns what was written.
    ///
    /// # Errors
    /// If it is not.
    pub async fn export_page(&self, folder: &Path, format: &str, extension: &str) -> Result<PathBuf> {
        self.find("button", "Document").await?.focus().await?;
        self.keys(Key::Enter).await?;
        while self.focused().await? != "Export" {
            self.keys(Key::Down).await?;
        }
        self.keys(Key::Right).await?;
        wait_until("the formats are shown", async || {
            Ok(self.focused().await? == "Markdown")
        })
        .await?;
        while self.focused().await? != format {
            self.keys(Key::Down).await?;
        }
        self.keys(Key::Enter).await?;
        let mut written = None;
        wait_until("the file is there", async || {
            written = files_under(folder)?
                .into_iter()
                .find(|file| file.extension().is_some_and(|other| other == extension));
            Ok(written.is_some())
        })
        .await?;
        assert_eq!(self.focused().await?, "Document");
        Ok(written.unwrap_or_default())
    }

    /// Puts a file into the page, and waits until this is told of it.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn import_page(&self, file: &Path, told: &str) -> Result<()> {
        self.choose_page_to_import(file).await?;
        self.wait_for_text("status", "Outcome", told).await?;
        self.press("Close").await
    }

    /// Chooses a file to put into the page.
    ///
    /// # Errors
    /// If it can't be.
    pub async fn choose_page_to_import(&self, file: &Path) -> Result<()> {
        self.choose_from_menu("Document", "Import").await?;
        self.find("dialog", "Import").await?;
        self.choose_file(file).await
    }

    /// Chooses a file in the dialog that is open.
    ///
    /// # Errors
    /// If it asks for none.
    pub async fn choose_file(&self, file: &Path) -> Result<()> {
        let field = self.driver().find(By::Css("dialog input[type=file]")).await?;
        field.send_keys(file.to_string_lossy().into_owned()).await?;
        Ok(())
    }
}

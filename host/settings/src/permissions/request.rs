//! Some permissions, as a plugin, an operator or a grant states them.

use super::table::{PermissionRequest, PermissionSettings, Permissions, Place, TABLE};
use crate::reader::{Problems, Section};
use crate::resolver::Resolver;
use tickdeck_model::Registry;
use toml::Table;

impl PermissionRequest {
    /// Looks up the names of what a file states.
    ///
    /// # Errors
    /// Returns every name that the deck does not know, and every size that does not fit its instrument.
    pub fn read(
        file: &str,
        settings: &PermissionSettings,
        registry: &Registry,
    ) -> Result<Self, Problems> {
        let mut lookup = Resolver::new(registry);
        let request = Self::resolve(settings, &mut lookup);
        lookup.finish(file, request)
    }

    /// Looks up the names of `settings`; `lookup` collects what is wrong.
    pub(crate) fn resolve(settings: &PermissionSettings, lookup: &mut Resolver<'_>) -> Self {
        let mut request = Self::default();
        for permission in TABLE {
            permission.resolve(settings, lookup, &mut request);
        }
        request
    }

    /// Returns the form in which files state it.
    pub(crate) fn settings(&self) -> PermissionSettings {
        let mut settings = PermissionSettings::default();
        for permission in TABLE {
            permission.unresolve(self, &mut settings);
        }
        settings
    }

    /// Returns all permissions: what is stated here, and `base` for the rest.
    pub fn over(&self, base: &Permissions) -> Permissions {
        let mut permissions = base.clone();
        for permission in TABLE {
            permission.apply(self, &mut permissions);
        }
        permissions
    }

    /// Returns what either one states; the wider of the two if both do.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut request = self.clone();
        for permission in TABLE {
            permission.unite(other, &mut request);
        }
        request
    }

    /// Returns whether it states anything about the permission of this key.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        let mut table = TABLE.iter();
        table.any(|permission| permission.key() == key && permission.is_stated(self))
    }

    /// Returns what it states about the permissions of these keys.
    pub(crate) fn only(&self, keys: &[&str]) -> Self {
        let mut request = Self::default();
        for permission in TABLE {
            if keys.contains(&permission.key()) {
                permission.copy(self, &mut request);
            }
        }
        request
    }
}

impl PermissionSettings {
    /// Reads what a plugin requests, or what a grant gives: `resources` has memory and time, `permissions` the rest.
    pub(crate) fn read(permissions: &Section<'_, '_>, resources: &Section<'_, '_>) -> Self {
        let mut settings = Self::default();
        for permission in TABLE {
            let section = match permission.place() {
                Place::Risk(_) | Place::Instrument => permissions,
                Place::Resource => resources,
            };
            permission.read(section, &mut settings);
        }
        settings
    }

    /// Reads the permissions among the limits of `[risk]` or `[strategies.NAME.risk]`.
    pub(crate) fn read_limits(section: &Section<'_, '_>) -> Self {
        let mut settings = Self::default();
        for permission in TABLE {
            if let Place::Risk(key) = permission.place() {
                permission.read_limit(section, key, &mut settings);
            }
        }
        settings
    }

    /// Reads the resources of `[wasm]` or `[strategies.NAME]`.
    pub(crate) fn read_resources(section: &Section<'_, '_>) -> Self {
        let mut settings = Self::default();
        for permission in TABLE {
            if let Place::Resource = permission.place() {
                permission.read(section, &mut settings);
            }
        }
        settings
    }

    /// Returns these settings, and `otherwise` for what they do not mention.
    #[must_use]
    pub(crate) fn or(mut self, otherwise: &Self) -> Self {
        for permission in TABLE {
            permission.fill_in(otherwise, &mut self);
        }
        self
    }

    /// Writes them into a table of `grants.toml`.
    pub(crate) fn write(&self, into: &mut Table) {
        for permission in TABLE {
            permission.write(self, into);
        }
    }
}

//! Which module of a crate uses which, read from its sources.
//!
//! A module is a file. It uses another one if a `use` line or a path in its code names something that the other one
//! defines; re-exports are followed to the definition. Tests do not count, nor does a re-export that the file itself has
//! no use for. What macros expand to is not seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use syn::visit::Visit;

/// Segments below the crate's root; the root itself is empty.
type ModulePath = Vec<String>;

/// The modules of one crate.
pub(super) struct Modules {
    modules: BTreeMap<ModulePath, Module>,
}

/// A circle of modules, each with a name that it takes from the next.
pub(super) type Circle = Vec<(String, String)>;

#[derive(Default)]
struct Module {
    /// Names that are defined here.
    defined: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths in the code, as they are written and resolved to the crate's root.
    paths: Vec<Vec<String>>,
    /// First names of all paths in the code: what is mentioned here without a path.
    mentioned: BTreeSet<String>,
}

struct Import {
    /// From the crate's root.
    path: Vec<String>,
    /// What it is called here; `*` for everything.
    name: String,
    is_public: bool,
}

impl Modules {
    /// Reads the modules below `source`, the `src` of the crate that others call `name`.
    pub(super) fn read(source: &Path, name: &str) -> Self {
        let mut files = Vec::new();
        walk(source, &mut Vec::new(), &mut files);
        let known: BTreeSet<ModulePath> = files.iter().map(|(path, _)| path.clone()).collect();
        let mut modules = BTreeMap::<ModulePath, Module>::new();
        for (path, text) in files {
            let file = syn::parse_file(&text)
                .unwrap_or_else(|error| panic!("{}: {path:?}: {error}", source.display()));
            let mut reader = Reader {
                name,
                known: &known,
                here: path.clone(),
                module: Module::default(),
            };
            reader.visit_file(&file);
            modules.insert(path, reader.module);
        }
        Self { modules }
    }

    /// The shortest circle, if there is one, that is not within the modules of `exempt`.
    pub(super) fn circle(&self, exempt: &[&str]) -> Option<Circle> {
        let edges: BTreeMap<&ModulePath, BTreeMap<&ModulePath, &str>> = self
            .modules
            .keys()
            .map(|module| (module, self.uses(module)))
            .collect();
        let starts = edges
            .keys()
            .filter(|start| !exempt.contains(&shown(start).as_str()));
        let circles = starts.filter_map(|start| shortest(start, &edges));
        circles.min_by_key(Vec::len)
    }

    /// The modules that one uses, each with a name that it takes from there.
    fn uses(&self, module: &ModulePath) -> BTreeMap<&ModulePath, &str> {
        let this = &self.modules[module];
        let imports = this.imports.iter();
        let imports =
            imports.filter(|import| !import.is_public || this.mentioned.contains(&import.name));
        let imported = imports.map(|import| &import.path);
        let mut uses = BTreeMap::new();
        for path in imported.chain(&this.paths) {
            let owner = self.owner(path, 0);
            if let Some((owner, _)) = owner.and_then(|owner| self.modules.get_key_value(&owner))
                && owner != module
            {
                let name = path.last().map_or("", String::as_str);
                uses.entry(owner).or_insert(name);
            }
        }
        uses
    }

    /// The module that defines what a path names.
    fn owner(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        /// More re-exports of re-exports than anybody writes.
        const DEEPEST: usize = 10;
        let length = (0..=path.len())
            .rev()
            .find(|length| self.modules.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let (Some(name), true) = (rest.first(), depth < DEEPEST) else {
            return Some(module.to_vec());
        };
        let this = &self.modules[module];
        if this.defined.contains(name) {
            return Some(module.to_vec());
        }
        let behind = |import: &Import| {
            let path = match import.name.as_str() {
                "*" => [&import.path, rest].concat(),
                _ => [&import.path, &rest[1..]].concat(),
            };
            self.owner(&path, depth + 1)
        };
        let named = this.imports.iter().find(|import| import.name == *name);
        if let Some(import) = named {
            return behind(import);
        }
        let globs = this.imports.iter().filter(|import| import.name == "*");
        let defines = |owner: &ModulePath| self.modules[owner].defined.contains(name);
        let found = globs.filter_map(behind).find(defines);
        Some(found.unwrap_or_else(|| module.to_vec()))
    }
}

/// The shortest way from a module back to itself.
fn shortest(
    start: &ModulePath,
    edges: &BTreeMap<&ModulePath, BTreeMap<&ModulePath, &str>>,
) -> Option<Circle> {
    let mut from = BTreeMap::<&ModulePath, &ModulePath>::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for next in edges[module].keys().copied() {
            if next == start {
                let mut way = vec![module];
                while let Some(before) = from.get(way[way.len() - 1]) {
                    way.push(before);
                }
                way.reverse();
                let after = way.iter().skip(1).copied().chain([start]);
                let named = |(module, next): (&&ModulePath, &ModulePath)| {
                    (shown(module), edges[*module][next].to_owned())
                };
                return Some(way.iter().zip(after).map(named).collect());
            }
            if next != start && !from.contains_key(next) {
                from.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    None
}

/// The code of a crate without comments and tests.
pub(super) fn code(source: &Path) -> String {
    let modules = code_by_module(source).into_iter();
    let code: Vec<String> = modules.map(|(_, code)| code).collect();
    code.join("\n")
}

/// The code of each module of a crate without comments and tests.
pub(super) fn code_by_module(source: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    walk(source, &mut Vec::new(), &mut files);
    let code = |text: &str| {
        let lines = text.lines().map(str::trim_start);
        let lines = lines.take_while(|line| *line != "#[cfg(test)]");
        let code = lines.filter(|line| !line.starts_with("//"));
        code.collect::<Vec<_>>().join("\n")
    };
    let modules = files.iter();
    modules
        .map(|(module, text)| (shown(module), code(text)))
        .collect()
}

fn shown(module: &ModulePath) -> String {
    match module.is_empty() {
        true => "lib".to_owned(),
        false => module.join("::"),
    }
}

/// Every file below `folder` with its module's path and its text; files of tests are left out.
fn walk(folder: &Path, module: &mut ModulePath, files: &mut Vec<(ModulePath, String)>) {
    let entries = std::fs::read_dir(folder).expect("sources can be read");
    for entry in entries {
        let path = entry.expect("sources can be read").path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let name = name.expect("names of sources are UTF-8").to_owned();
        if name == "tests" {
            continue;
        }
        module.push(name.clone());
        if path.is_dir() {
            walk(&path, module, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("sources can be read");
            let is_root = ["lib", "main", "mod"].contains(&name.as_str());
            let levels = module.len() - usize::from(is_root);
            // A `main.rs` beside a `lib.rs` is a crate of its own, of a few lines.
            if name != "main" || !folder.join("lib.rs").exists() {
                files.push((module[..levels].to_vec(), text));
            }
        }
        module.pop();
    }
}

/// Reads one file.
struct Reader<'a> {
    name: &'a str,
    known: &'a BTreeSet<ModulePath>,
    /// The module that is read, with the inline modules around the current place.
    here: ModulePath,
    module: Module,
}

impl Reader<'_> {
    /// A path from the crate's root, if it is one of this crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut base = self.here.clone();
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => {}
            "super" => {
                let ups = path
                    .iter()
                    .take_while(|segment| *segment == "super")
                    .count();
                base.truncate(base.len().checked_sub(ups)?);
                return Some([&base, &path[ups..]].concat());
            }
            name if name == self.name => return Some(rest.to_vec()),
            name => {
                base.push(name.to_owned());
                if !self.known.contains(&base) {
                    return None;
                }
            }
        }
        Some([&base, rest].concat())
    }

    fn import(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>, is_public: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(&path.tree, prefix, is_public);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix, is_public);
                }
            }
            syn::UseTree::Name(name) => {
                self.add(prefix, &name.ident.to_string(), None, is_public);
            }
            syn::UseTree::Rename(rename) => {
                let alias = rename.rename.to_string();
                self.add(prefix, &rename.ident.to_string(), Some(alias), is_public);
            }
            syn::UseTree::Glob(_) => {
                if let Some(path) = self.absolute(prefix) {
                    let name = "*".to_owned();
                    let import = Import {
                        path,
                        name,
                        is_public,
                    };
                    self.module.imports.push(import);
                }
            }
        }
    }

    fn add(&mut self, prefix: &[String], name: &str, alias: Option<String>, is_public: bool) {
        let (mut path, mut called) = (prefix.to_vec(), name.to_owned());
        if name == "self" {
            called = prefix.last().cloned().unwrap_or_default();
        } else {
            path.push(name.to_owned());
        }
        if let Some(path) = self.absolute(&path) {
            let name = alias.unwrap_or(called);
            let import = Import {
                path,
                name,
                is_public,
            };
            self.module.imports.push(import);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (attributes, name) = of_item(item);
        if attributes.iter().any(is_test) {
            return;
        }
        self.module.defined.extend(name.map(ToString::to_string));
        match item {
            syn::Item::Use(line) => {
                let is_public = !matches!(line.vis, syn::Visibility::Inherited);
                self.import(&line.tree, &mut Vec::new(), is_public);
            }
            syn::Item::Mod(module) if module.content.is_some() => {
                self.here.push(module.ident.to_string());
                syn::visit::visit_item(self, item);
                self.here.pop();
            }
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments: Vec<String> = segments.map(|segment| segment.ident.to_string()).collect();
        self.module.mentioned.extend(segments.first().cloned());
        if segments.len() > 1
            && let Some(path) = self.absolute(&segments)
        {
            self.module.paths.push(path);
        }
        syn::visit::visit_path(self, path);
    }
}

/// The attributes of an item, and the name that it defines.
fn of_item(item: &syn::Item) -> (&[syn::Attribute], Option<&syn::Ident>) {
    use syn::Item;
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Impl(item) => (&item.attrs, None),
        Item::Mod(item) => (&item.attrs, None),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

/// `#[cfg(test)]` and its like.
fn is_test(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else {
        return false;
    };
    let condition = list.tokens.to_string();
    let first = condition
        .trim_start_matches("all")
        .trim_start_matches(['(', ' ']);
    list.path.is_ident("cfg") && first.starts_with("test")
}

/// The public types that `source` defines, tests left out.
pub(super) fn public_types(source: &Path) -> Vec<String> {
    let mut files = Vec::new();
    walk(source, &mut Vec::new(), &mut files);
    let mut types = Vec::new();
    for (_, text) in files {
        let file = syn::parse_file(&text).expect("it was compiled");
        types.extend(file.items.iter().filter_map(public_type));
    }
    types
}

fn public_type(item: &syn::Item) -> Option<String> {
    use syn::{Item, Visibility};
    let (visibility, name) = match item {
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        Item::Union(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    let is_ours = !of_item(item).0.iter().any(is_test);
    (is_ours && matches!(visibility, Visibility::Public(_))).then(|| name.to_string())
}

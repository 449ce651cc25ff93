"""From Compose files to one normalised project: the steps in their order."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from swarmlet.manifests.compose import (
    checking,
    contents,
    environments,
    including,
    interpolation,
    merging,
    nodes,
    normalising,
    typed,
)
from swarmlet.manifests.compose.extending import Extension
from swarmlet.manifests.compose.files import Files, ReadFile, tree
from swarmlet.manifests.compose.including import Inclusion
from swarmlet.manifests.compose.interpolation import Variables
from swarmlet.manifests.compose.model.project import Loaded, Project
from swarmlet.manifests.compose.nodes import Node
from swarmlet.manifests.compose.paths import Folder
from swarmlet.manifests.reading import ManifestError

SOURCES_MAX = 50
NAME_VARIABLE = "COMPOSE_PROJECT_NAME"
PROFILES_VARIABLE = "COMPOSE_PROFILES"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    `folder` is the project's, an absolute path: that of the first file where nothing else is said. `env_files` are
    absolute paths in place of the folder's .env. `name` and `profiles` go before what files and variables say.
    """

    folder: str
    name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()


def load(
    sources: Sequence[tuple[str, str]], read: ReadFile, environment: Mapping[str, str], options: Options
) -> Loaded:
    """Return the project of (path, text) pairs, later ones over earlier.

    Args:
        sources: the files, in order; a path is as people wrote it, for errors.
        read: gives other files by their absolute path.
        environment: the shell's variables.
        options: what the command line says.

    Raises:
        ManifestError: a line that names file, line, key and what is the matter.
        TooLargeError: over a named limit.
    """
    if len(sources) > SOURCES_MAX:
        raise ManifestError(f"over {SOURCES_MAX} Compose files at once")
    options = replace(options, folder=posixpath.normpath(options.folder))
    files = Files(read, _shown_from(options.folder, sources[0][0] if sources else ""))
    try:
        return _Loader(files, options, environment).loaded(sources)
    except ManifestError as error:
        raise ManifestError(_explained(str(error), files.warnings)) from error


def _explained(error: str, warnings: Iterable[str]) -> str:
    """Return the line of an error, and that a variable below its key is not set, where that may be why."""
    _, _, rest = error.partition(": ")
    path = rest.partition(": ")[0]
    for warning in warnings:
        _, key, told = warning.split(": ", 2)
        if told.endswith(interpolation.TAKEN_AS_EMPTY) and (key == path or key.startswith((f"{path}.", f"{path}["))):
            return f"{error} ({key}: {told.removesuffix(interpolation.TAKEN_AS_EMPTY)})"
    return error


def _shown_from(folder: str, source: str) -> str:
    """Return the folder that the first file's path was written relative to: others are shown so too."""
    own = posixpath.dirname(posixpath.normpath(source)) if source else ""
    if posixpath.isabs(own):
        return "/"
    return folder.removesuffix(f"/{own}") if own and folder.endswith(f"/{own}") else folder


class _Loader:
    """One reading of one project; `_environment` grows by .env and the project's name."""

    def __init__(self, files: Files, options: Options, environment: Mapping[str, str]) -> None:
        self._files = files
        self._options = options
        self._folder = Folder(options.folder, environment.get("HOME", ""))
        self._environment = self._variables(self._folder, options.env_files or None, environment)
        named = self._environment.get(PROFILES_VARIABLE, "")
        self._profiles = options.profiles or tuple(filter(None, map(str.strip, named.split(","))))

    def loaded(self, sources: Sequence[tuple[str, str]]) -> Loaded:
        parsed = [(source, nodes.parse(source, text)) for source, text in sources]
        name = self._name([document for _, documents in parsed for document in documents])
        self._environment = {**self._environment, NAME_VARIABLE: name}
        trees = [
            tree(documents, source, self._folder, self._environment, self._files.warn) for source, documents in parsed
        ]
        root = self._whole(trees, self._folder, self._environment, ())
        return self._finished(root, name)

    def _finished(self, root: Node, name: str) -> Loaded:
        version = root.entries.get("version")
        if version is not None:
            self._files.warn(f"{version.place}: version: is of old Compose files and means nothing; remove it")
        bare = root.without("version").with_entries({"name": root.like(name)})
        loaded = Loaded(typed.read(bare, Project, ""), places=dict(nodes.places(bare)))
        project = normalising.normalised(loaded.project, self._profiles)

        def at(path: str, message: str) -> ManifestError:
            return ManifestError(loaded.warning(path, message))

        checking.check(project, at)
        inactive = tuple(name for name in loaded.project.services if name not in project.services)
        project = normalising.with_what_is_used(project)
        configs = contents.read("configs", project.configs, self._files, self._environment, at)
        secrets = contents.read("secrets", project.secrets, self._files, self._environment, at)
        return replace(
            loaded,
            project=project,
            inactive=inactive,
            configs=configs,
            secrets=secrets,
            warnings=tuple(self._files.warnings),
        )

    def _name(self, documents: Sequence[Node]) -> str:
        """Return the project's name: the command line's, the variable's, the last file's, or that of the folder."""
        given = self._options.name or self._environment.get(NAME_VARIABLE, "")
        if given:
            return given
        for document in reversed(documents):
            node = document.entries.get("name")
            if node is not None and node.value is not None:
                written = interpolation.interpolate(node, Variables(self._environment), self._files.warn, "name")
                return typed.read_text(written, "name")
        return normalising.project_name(posixpath.basename(self._options.folder))

    def _whole(
        self,
        trees: Sequence[Node],
        folder: Folder,
        environment: Mapping[str, str],
        chain: tuple[Inclusion, ...],
    ) -> Node:
        """Return the trees of one project's files as one, with what they include and extend in it."""

        def load(inclusion: Inclusion) -> Node:
            return self._included(inclusion, environment, chain)

        extension = Extension(self._files, folder, environment)
        whole: Node | None = None
        for each in trees:
            complete = extension.extended(including.with_included(each, folder, load))
            whole = complete if whole is None else merging.merged(whole, complete)
        if whole is None:
            raise ManifestError("no Compose file was given")
        root = merging.distinct(merging.settled(whole))
        return environments.resolved(root, self._files, environment, self._is_active)

    def _included(self, inclusion: Inclusion, environment: Mapping[str, str], chain: tuple[Inclusion, ...]) -> Node:
        first = self._files.shown(inclusion.files[0])
        if inclusion in chain:
            raise ManifestError(f"{first}: the files include each other in a circle")
        if len(chain) >= including.DEPTH_MAX:
            raise ManifestError(f"{first}: files that include files, over {including.DEPTH_MAX} deep")
        variables = self._variables(inclusion.folder, inclusion.env_files, environment)
        trees = [self._files.tree(path, inclusion.folder, variables) for path in inclusion.files]
        return self._whole(trees, inclusion.folder, variables, (*chain, inclusion))

    def _variables(
        self, folder: Folder, env_files: tuple[str, ...] | None, environment: Mapping[str, str]
    ) -> dict[str, str]:
        if env_files is not None:
            try:
                return environments.read(self._files, env_files, environment)
            except FileNotFoundError as error:
                raise ManifestError(f"there is no file of variables {error}") from None
        try:
            return environments.read(self._files, (folder.resolve(environments.DEFAULT_FILE),), environment)
        except FileNotFoundError:
            return dict(environment)

    def _is_active(self, service: Node) -> bool:
        profiles = service.entries.get("profiles")
        names = [each.text for each in profiles.items] if profiles is not None else []
        return normalising.is_active(names, self._profiles)

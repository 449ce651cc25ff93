"""Commands that change objects that exist: label, annotate, patch, edit, set and their like.

Each asks `targets` which objects are meant, makes its change with a patch, and tells of it through `outcomes`, so that
-l, --all, -f, --dry-run and -o mean the same everywhere, and what is printed is what kubectl prints.

    for target in await targets.find(session, words, targets.Wish(labels="app=web")):
        changed = await target.patch(session, {"metadata": {"labels": {"tier": "front"}}}, outcome)
        outcome.tell(target, "labeled", changed)
"""

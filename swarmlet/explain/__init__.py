"""Why an object is as it is, in sentences with numbers and times. Pure: a view in, a tree of findings out.

`api.why` calls it; nothing here reads the time or writes anything.

- Every sentence is read off something recorded: a status, a condition, an event, the record of a placement. What
  was not recorded is said to be so; nothing is guessed.
- The worst comes first, and what an object waits for stands below it: Deployment, ReplicaSet, Pod, container, node.
- A tree is pruned to `findings.LINES_MAX` sentences, and says how many it has left out.

    case = Case(view, now)
    explanation = explainers.explain(case, key)
    for finding in explanation.findings:
        ...  # finding.text, finding.since, finding.causes

`case` is what an explainer may ask, `findings` what it answers, `explainers` the table of who explains what kind.
"""

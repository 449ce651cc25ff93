"""How controllers work: queues, reigns, drafts of objects, many reconciliations in one command."""

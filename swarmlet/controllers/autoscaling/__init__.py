"""HorizontalPodAutoscalers: from what Pods use to how many there shall be."""

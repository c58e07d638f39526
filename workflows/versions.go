package workflows

// Changes of workflows that histories of released code do not have, the newest last.
const (
	// changeCleanDeletions has Maintain end with a step that removes old versions with
	// deleted keys. It can go with the histories of Maintain that lack it.
	changeCleanDeletions = "clean-deletions"
)

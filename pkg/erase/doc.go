// Package erase deletes the rows of keys from every store of a view, and proves it.
//
// A deletion is of the view's stores as they are when it is planned: the one that
// serves, the one that is filling, and those that are retired and could serve again. It
// goes in steps, each of which may fail anywhere and be repeated, in any process:
//
//	Stage         keep the keys in the bucket, and refuse what cannot be done
//	Plan          find the stores, and their files that may hold a key; put the fence
//	Rewrite       write these files anew without the keys; nothing sees that yet
//	EraseOffline  one commit replaces the files, and raises the table's fence
//	EraseOnline   cells of the keys become tombstones, whose versions older writers lose to
//	SweepOnline   after the longest that a write takes: the tombstones go, too
//	Verify        read all rows and cells, and find none of the keys
//	Finish        write the receipt, and remove what was staged
//	Clean         much later: old versions of the table are gone, and the receipt says so
//
// Up to EraseOffline nothing has happened, and Discard leaves nothing of a deletion but
// the fence that Forget asked for. From then on it is to be finished. An attempt to plan
// that outlives its deletion may put that fence once more: Sweep removes one that is older
// than what is staged may get, whose job was cancelled, and that has neither a receipt nor
// keys in the bucket.
//
// What was begun before the commit loses the keys: the commit of a window or a frame
// that took its fence before leaves them out. What is begun later keeps them, so a
// window that is built again from sources that still have a person's rows brings them
// back, unless Forget holds them back; so does a store that was defined after the plan.
// A deletion of the online store alone lasts until the key is materialized again, or the
// store filled anew.
//
// Old versions of a table hold the keys until the retention is over: the data files,
// and the statistics of those in the log and in the manifests of builds. Receipt says
// from when on maintenance removes them, and when it did. That is a quarter of the
// retention later than the versions need, so that the files of builds go, too, which were
// begun before the deletion and lost the keys to it.
//
// A store whose join keys are others, since its view had another entity, cannot be
// searched for a key. If it is retired, it is left to the removal of retired stores,
// and the plan and the receipt say so; one that serves or is filling is a refusal.
//
// No error, receipt or result names a key. While a deletion lasts, its keys are in the
// bucket, below deletions/<workspace>/<view>/<id>/.
package erase

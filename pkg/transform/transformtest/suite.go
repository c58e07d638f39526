package transformtest

import (
	"testing"

	"github.com/tilery/tilery/pkg/transform"
)

// Run runs the suite against engine.
func Run(t *testing.T, engine transform.Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, transform.Engine)
	}{
		{"ValuesAndNullsOfEveryTypeArrive", testValues},
		{"TimestampsOfEveryUnitAreUTCMicroseconds", testTimestampUnits},
		{"NarrowerTypesAreWidened", testWidening},
		{"ArraysAndNarrowNumbersArrive", testNewTypes},
		{"CSVHasNarrowNumbersAndNoArrays", testNewTypesInCSV},
		{"ArraysAndNarrowNumbersThatAreNoneAreNamed", testBadNewTypes},
		{"ResultsAreAsWideAsTheSourcesMakeThem", testWidths},
		{"ArraysAndNarrowNumbersTakeNarrowerFiles", testNarrowSources},
		{"FilesOfDifferentLayoutsMix", testLayouts},
		{"ManyFilesAreOneTable", testManyFiles},
		{"NoFilesAreAnEmptyTable", testNoFiles},
		{"EmptyFilesAreAnEmptyTable", testEmptyFile},
		{"SourcesAreCutToTheirIntervals", testSourceInterval},
		{"TablesWithoutTimestampAreWhole", testWholeTable},
		{"OutputIsCutToTheInterval", testOutputInterval},
		{"OutputColumnsComeAsDeclared", testOutputColumns},
		{"UndeclaredColumnsAreInvisible", testUndeclaredColumns},
		{"FilesThatDoNotFitAreNamed", testUnfitFiles},
		{"MissingFilesMayComeBack", testMissingFile},
		{"CSVColumnsAreMatchedByName", testCSV},
		{"CSVMayBeCompressed", testCompressed},
		{"JSONColumnsAreMatchedByName", testJSON},
		{"TextThatIsNoValueIsNamed", testBadText},
		{"TextTimestampsAreUTC", testTextTimestamps},
		{"DeltaFilesTakeConstantsAndLackColumns", testConstants},
		{"FormatsJoin", testFormatsJoin},
		{"BoundsAreThoseOfTheWindow", testBounds},
		{"RowWiseStatementsAreKnown", testRowWise},
		{"RowWiseRunsDoNotDependOnTheSplit", testSplit},
		{"DescribeTellsNamesAndTypes", testDescribe},
		{"DescribeNeedsNoFiles", testDescribeWithoutFiles},
		{"WrongStatementsAreErrSQL", testWrongSQL},
		{"ValuesThatDoNotConvertAreErrSQL", testWrongValues},
		{"LateErrorsAreNotTheEndOfTheRows", testLateError},
		{"VolatileStatementsAreRefused", testVolatile},
		{"CancelIsPrompt", testCancel},
		{"DeadlineInsideTheCallbackEndsTheRun", testCancelInCallback},
		{"CallbackErrorIsReturnedAsItIs", testCallbackError},
		{"RecordsMayBeRetained", testRetain},
		{"RecordsAreBounded", testRecordSize},
		{"ProgressIsReportedUntilTheEnd", testProgress},
		{"LittleMemorySpillsOrSaysSo", testSpill},
		{"RunsDoNotDisturbEachOther", testConcurrentRuns},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, engine)
		})
	}
}

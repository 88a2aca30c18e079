-- A landed file that was cut at the end of a line reads without an error and lacks rows. Questions
-- are kept only as they were scored, among those of the published checkpoints; what is joined here
-- are the files of this source.
{{ unread_files('posttrain', [
    ref('base_posttrain__records'), ref('base_posttrain__files'), ref('base_posttrain__outcomes'),
    ref('int_instance_questions__scored')
]) }}
